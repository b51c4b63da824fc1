import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { type ConditionField, conditionOf } from './condition.ts'

test('a condition is read, and none is none', () => {
  assert.equal(conditionOf(undefined, ''), undefined)
  assert.equal(conditionOf({ case: undefined }, ''), undefined)
  assert.deepEqual(conditionOf({ case: 'ifAbsent', value: true }, ''), { kind: 'absent' })
  assert.deepEqual(conditionOf({ case: 'ifRevision', value: 7n }, ''), { kind: 'revision', revision: 7 })
})

test('what no row can fulfil is refused by its field: revision 0 would mean that the row is absent', () => {
  const bad: ConditionField[] = [
    { case: 'ifAbsent', value: false },
    { case: 'ifRevision', value: 0n },
    { case: 'ifRevision', value: 2n ** 53n },
    { case: 'ifRevision', value: 2n ** 64n - 1n },
  ]
  for (const condition of bad) {
    assert.throws(
      () => conditionOf(condition, 'mutations[2].'),
      error => isBlastyError(error, 'INVALID_ARGUMENT') && String(error.details.field).startsWith('mutations[2].if_'),
    )
  }
})
