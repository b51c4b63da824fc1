import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { refused, stalled, waiting } from './blocked.ts'
import { stampConditions } from './conditions.ts'
import type { StatusReport } from './controller.ts'
import type { Condition, Reconcilable } from './kind.ts'
import { composeStatus, gate, type Outcome } from './status.ts'

const now = Date.parse('2026-05-01T10:00:00.789Z')
const earlier = '2026-04-01T00:00:00Z'
const condition = (type: string, status: Condition['status'], reason = 'Before'): Condition => ({
  type,
  status,
  reason,
  message: 'm',
  lastTransitionTime: earlier,
  observedGeneration: 1,
})
const object = (status: Reconcilable['status'] & object): Reconcilable => ({
  apiVersion: 'g/v1',
  kind: 'Thing',
  metadata: { name: 'a', uid: 'u', resourceVersion: '1', generation: 2 },
  status,
})
const fresh = object({ observedGeneration: -1 })
const made = { type: 'Made', status: 'True', reason: 'Made', message: 'm' } as const
const unmade = { type: 'Made', status: 'False', reason: 'Missing', message: 'm' } as const
const done: StatusReport = { conditions: [made], fields: { size: 3 } }

/** `Type=Status(Reason)` of each condition. */
function brief(from: Reconcilable, outcome: Outcome): string[] {
  const { conditions } = composeStatus(from, outcome, ['Made'], now)
  assert.ok(Array.isArray(conditions))
  return conditions.map(({ type, status, reason }: Condition) => `${type}=${status}(${reason})`)
}

describe('the status', () => {
  const failed = { blocked: 'Failed', reason: 'Down', message: 'm' } as const
  const cases: [name: string, from: Reconcilable, outcome: Outcome, conditions: string[]][] = [
    [
      'is Ready, with neither Reconciling nor Stalled',
      object({ conditions: [condition('Stalled', 'True'), condition('Reconciling', 'True')] }),
      { type: 'Ready', report: done },
      ['Accepted=True(Accepted)', 'Made=True(Made)', 'Ready=True(Ready)'],
    ],
    [
      'has every condition from the first visit on',
      fresh,
      { type: 'Blocked', at: 'connect', by: failed },
      ['Accepted=True(Accepted)', 'Made=Unknown(Pending)', 'Ready=False(Down)', 'Reconciling=True(Down)'],
    ],
    [
      'is Stalled when the spec is refused',
      fresh,
      { type: 'Blocked', at: 'accept', by: refused('BadWhere', 'm') },
      ['Accepted=False(BadWhere)', 'Made=Unknown(Pending)', 'Ready=False(BadWhere)', 'Stalled=True(BadWhere)'],
    ],
    [
      'refuses a spec that only the plan finds wrong',
      fresh,
      { type: 'Blocked', at: 'plan', by: refused('KeyChanged', 'm'), report: done },
      ['Accepted=False(KeyChanged)', 'Made=True(Made)', 'Ready=False(KeyChanged)', 'Stalled=True(KeyChanged)'],
    ],
    [
      'does not know whether a spec is accepted that refers to what is not there yet',
      fresh,
      { type: 'Blocked', at: 'accept', by: waiting('NoTable', 'm') },
      ['Accepted=Unknown(NoTable)', 'Made=Unknown(Pending)', 'Ready=False(NoTable)', 'Reconciling=True(NoTable)'],
    ],
    [
      'names the condition that a failure concerns',
      fresh,
      { type: 'Blocked', at: 'act', by: { ...failed, condition: 'Made' }, report: done },
      ['Accepted=True(Accepted)', 'Made=False(Down)', 'Ready=False(Down)', 'Reconciling=True(Down)'],
    ],
    [
      'is Stalled when a person must act',
      fresh,
      { type: 'Blocked', at: 'plan', by: stalled('Lost', 'm'), report: { conditions: [unmade] } },
      ['Accepted=True(Accepted)', 'Made=False(Missing)', 'Ready=False(Lost)', 'Stalled=True(Lost)'],
    ],
    [
      'keeps what was known while the outside cannot be seen',
      object({ conditions: [condition('Made', 'True')] }),
      { type: 'Blocked', at: 'observe', by: failed },
      ['Accepted=True(Accepted)', 'Made=True(Before)', 'Ready=False(Down)', 'Reconciling=True(Down)'],
    ],
    [
      'keeps what was accepted while it is deleted',
      object({ conditions: [condition('Accepted', 'False')] }),
      { type: 'Blocked', at: 'delete', by: waiting('Deleting', 'm') },
      ['Accepted=False(Before)', 'Made=Unknown(Pending)', 'Ready=False(Deleting)', 'Reconciling=True(Deleting)'],
    ],
    [
      'says Paused and leaves the rest',
      object({ conditions: [condition('Made', 'True'), condition('Ready', 'True'), condition('Reconciling', 'True')] }),
      { type: 'Paused' },
      ['Accepted=Unknown(Pending)', 'Made=True(Before)', 'Ready=True(Before)', 'Paused=True(Paused)'],
    ],
  ]
  for (const [name, from, outcome, conditions] of cases) {
    it(name, () => assert.deepEqual(brief(from, outcome), conditions))
  }

  it('has observed the generation, except while paused', () => {
    assert.equal(composeStatus(fresh, { type: 'Ready', report: done }, [], now).observedGeneration, 2)
    assert.equal(composeStatus(fresh, { type: 'Paused' }, [], now).observedGeneration, -1)
  })

  it('does not pass off what was found of an older generation as true of this one', () => {
    const before = object({ conditions: [condition('Made', 'True')] })
    const { conditions } = composeStatus(before, { type: 'Blocked', at: 'connect', by: failed }, ['Made'], now)
    assert.ok(Array.isArray(conditions))
    const generations = conditions.map(({ type, observedGeneration }: Condition) => `${type}@${observedGeneration}`)
    assert.deepEqual(generations, ['Accepted@2', 'Made@1', 'Ready@2', 'Reconciling@2'])
  })

  it('keeps its fields until something else is observed', () => {
    const before = { ...object({ observedGeneration: 1 }), status: { observedGeneration: 1, size: 9 } }
    assert.equal(composeStatus(before, { type: 'Blocked', at: 'connect', by: failed }, [], now).size, 9)
    assert.equal(composeStatus(before, { type: 'Ready', report: done }, [], now).size, 3)
  })

  it('is not Ready while a condition that gates it is not True', () => {
    assert.equal(gate(done), undefined)
    assert.deepEqual(gate({ conditions: [made, unmade], afterSeconds: 5 }), {
      blocked: 'Waiting',
      reason: 'Missing',
      message: 'm',
      afterSeconds: 5,
    })
    assert.equal(gate({ conditions: [{ ...unmade, gates: false }] }), undefined)
  })
})

describe('a condition', () => {
  const at = { generation: 2, now }

  it('keeps its time while only its text changes, and gets a new one when its status does', () => {
    const [kept] = stampConditions([{ ...made, reason: 'Other' }], [condition('Made', 'True')], at)
    const [moved] = stampConditions([unmade], [condition('Made', 'True')], at)
    assert.deepEqual(kept, { ...made, reason: 'Other', lastTransitionTime: earlier, observedGeneration: 2 })
    assert.deepEqual(moved, { ...unmade, lastTransitionTime: '2026-05-01T10:00:00Z', observedGeneration: 2 })
  })

  it('has a message that fits', () => {
    const [long] = stampConditions([{ ...made, message: 'x'.repeat(5000) }], [], at)
    assert.equal(long?.message.length, 1024)
  })
})
