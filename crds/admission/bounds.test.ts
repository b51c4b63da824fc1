/** Every bound of every spec, at it and beyond it, on a real API server. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createNamespace, testStack, uniqueName } from '../../devstack/testing.ts'
import { type CustomResourceDefinition, loadCrds, schemaOf } from '../load.ts'
import { walk } from '../walk.ts'
import { type Admission, openAdmission } from './admission.ts'
import { complete, type Kind } from './examples.ts'
import { opened } from './opened.ts'
import { probes } from './probes.ts'

const crds = await loadCrds()

describe('bounds', () => {
  let admission: Admission
  before(async () => {
    const { kubernetes } = await testStack('kubernetes')
    const group = `${uniqueName('later')}.blasty.dev`
    const namespace = await createNamespace(kubernetes)
    admission = await openAdmission(
      kubernetes,
      namespace,
      crds.map(crd => opened(crd, group)),
    )
  })
  after(() => admission?.uninstall())

  for (const crd of crds) {
    const { kind } = crd.spec.names
    it(`of ${kind}: what is at a bound is accepted, what is beyond it is refused`, async () => {
      const spec = schemaOf(crd).properties?.spec
      assert.ok(spec && isKind(kind))
      const rules = ruleMessages(crd)
      let tried = 0
      for (const probe of probes(spec, complete[kind])) {
        const { refusals } = await admission.attempt(kind, { spec: probe.spec })
        // A rule may still refuse the combination with other fields: the cases of the rules are about those.
        const byBounds = refusals.filter(({ message }) => !rules.some(rule => message.endsWith(rule)))
        assert.equal(byBounds.length === 0, probe.fits, `${probe.title}: ${JSON.stringify(byBounds)}`)
        tried++
      }
      assert.ok(tried > 10, `only ${tried} bounds were found`)
    })
  }
})

function isKind(kind: string): kind is Kind {
  return kind in complete
}

function ruleMessages(crd: CustomResourceDefinition): string[] {
  return [...walk(schemaOf(crd))].flatMap(({ schema }) =>
    (schema['x-kubernetes-validations'] ?? []).map(({ message }) => message),
  )
}
