/** What holds for every definition, without a server. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { isNotBuilt } from './admission/opened.ts'
import { loadCrds, type Schema, schemaOf } from './load.ts'
import { pathText, walk } from './walk.ts'

const crds = await loadCrds()

it('there is a definition for each kind', () => {
  assert.deepEqual(
    crds.map(crd => crd.spec.names.kind),
    ['AccessPolicy', 'BackendClass', 'Index', 'Subscription', 'Table'],
  )
})

for (const crd of crds)
  describe(crd.metadata.name, () => {
    const visits = [...walk(schemaOf(crd))].filter(({ path }) => pathText(path) !== 'metadata')
    const failing = (holds: (schema: Schema) => boolean) =>
      visits.filter(({ schema }) => !holds(schema)).map(({ path }) => pathText(path))

    it('describes every field', () => {
      assert.deepEqual(
        failing(schema => (schema.description ?? '').length > 5),
        [],
      )
    })

    it('bounds every list, map and string', () => {
      assert.deepEqual(failing(isBounded), [])
    })

    it('says how every list is merged', () => {
      assert.deepEqual(
        failing(schema => schema.type !== 'array' || schema['x-kubernetes-list-type'] !== undefined),
        [],
      )
    })

    it('has enums in CamelCase', () => {
      assert.deepEqual(
        failing(schema => schema.enum?.every(value => /^[A-Z][A-Za-z0-9]*$/.test(value)) ?? true),
        [],
      )
    })

    it('has integers with a width and a minimum', () => {
      assert.deepEqual(
        failing(schema => schema.type !== 'integer' || (schema.format !== undefined && schema.minimum !== undefined)),
        [],
      )
    })

    it('explains every rule with a sentence of its own', () => {
      const rules = visits.flatMap(({ schema }) => schema['x-kubernetes-validations'] ?? [])
      for (const { rule, message } of rules) assert.ok(message?.length > 15, rule)
    })

    it('marks every rule about what is not built', async () => {
      const text = await readFile(new URL(`blasty.dev_${crd.spec.names.plural}.yaml`, import.meta.url), 'utf8')
      const rules = visits.flatMap(({ schema }) => schema['x-kubernetes-validations'] ?? [])
      assert.equal(text.match(/# Not built yet:/g)?.length ?? 0, rules.filter(isNotBuilt).length)
    })
  })

function isBounded(schema: Schema): boolean {
  if (schema.type === 'array') return schema.maxItems !== undefined
  if (schema.additionalProperties !== undefined) return schema.maxProperties !== undefined
  if (schema.type === 'string') return schema.maxLength !== undefined || schema.enum !== undefined
  return schema['x-kubernetes-int-or-string'] !== true || schema.maxLength !== undefined
}
