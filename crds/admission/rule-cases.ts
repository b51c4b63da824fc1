/** Runs the cases of the CEL rules of one kind: each rule must be broken by a case, for its own message. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createNamespace, testStack, uniqueName } from '../../devstack/testing.ts'
import { loadCrds, schemaOf } from '../load.ts'
import { walk } from '../walk.ts'
import { type Admission, openAdmission, type Trial } from './admission.ts'
import type { Kind } from './examples.ts'
import { opened } from './opened.ts'

export type RuleCase = Trial & {
  /** What a user would see. */
  readonly title: string
  /** Parts of the messages, one of each reason for the refusal. Absent: it is accepted. */
  readonly refused?: readonly string[]
  /** Tried with the rules about what is not built taken out. */
  readonly later?: true
}

/** Declares the tests of `cases` for `kind`. */
export function describeRules(kind: Kind, cases: readonly RuleCase[]): void {
  describe(`admission of ${kind}`, () => {
    const broken = new Set<string>()
    let now: Admission
    let later: Admission

    before(async () => {
      const { kubernetes } = await testStack('kubernetes')
      const namespace = await createNamespace(kubernetes)
      const crds = (await loadCrds()).filter(crd => crd.spec.names.kind === kind)
      now = await openAdmission(kubernetes, namespace, crds)
      const group = `${uniqueName('later')}.blasty.dev`
      later = await openAdmission(
        kubernetes,
        namespace,
        crds.map(crd => opened(crd, group)),
      )
    })
    after(() => later?.uninstall())

    for (const { title, refused = [], later: isLater, ...trial } of cases)
      it(title, async () => {
        const { refusals } = await (isLater ? later : now).attempt(kind, trial)
        const messages = refusals.map(({ message }) => message)
        assert.equal(messages.length, refused.length, `refused with: ${JSON.stringify(messages)}`)
        for (const part of refused)
          assert.ok(
            messages.some(it => it.includes(part)),
            `no ${part} in ${messages}`,
          )
        for (const message of messages) broken.add(message)
      })

    it('every rule is broken by a case, with its own message', async () => {
      const [crd] = (await loadCrds()).filter(crd => crd.spec.names.kind === kind)
      assert.ok(crd)
      const rules = [...walk(schemaOf(crd))].flatMap(({ schema }) => schema['x-kubernetes-validations'] ?? [])
      const seen = [...broken]
      const untried = rules.filter(({ message }) => !seen.some(it => it.endsWith(message)))
      assert.deepEqual(
        untried.map(({ message }) => message),
        [],
      )
    })
  })
}
