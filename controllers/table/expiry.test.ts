/** What a status says of the removal of rows that are too old. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tables } from '../../directory/kinds.ts'
import type { ExpiryReport } from '../../engine/membership/reports.ts'
import { expiryCondition, expiryProgress } from './expiry.ts'

const tableWith = (spec: object, status: object = {}) =>
  tables.decode({ metadata: { name: 't', namespace: 'n', uid: 'u', resourceVersion: '1' }, spec, status })
const kept = tableWith({ rows: { retentionSeconds: 60 } })
const report = (change: Partial<ExpiryReport> = {}): ExpiryReport => ({
  kind: 'expiry',
  tableUid: 'u',
  worker: 'w',
  epoch: 1,
  ...change,
})
const stated = (expiry?: ExpiryReport) => {
  const condition = expiryCondition(kept, { expiry })
  return condition && [condition.type, condition.status, condition.reason, condition.gates]
}

test('a Table whose rows are kept for ever says nothing of it', () => {
  for (const spec of [{}, { rows: {} }]) {
    const table = tableWith(spec, { progress: { revision: '1', rows: { oldestTime: '2026-01-31T00:00:00.000Z' } } })
    assert.equal(expiryCondition(table, { expiry: report() }), undefined)
    assert.deepEqual(expiryProgress(table, report({ revision: 7 })), {})
  }
})

test('a condition says whether rows are removed, and does not decide whether the Table is ready', () => {
  assert.deepEqual(stated(), ['RowsExpire', 'False', 'NoWorker', false])
  assert.deepEqual(stated(report()), ['RowsExpire', 'True', 'Expiring', false])
  assert.deepEqual(stated(report({ error: 'the log is full' })), ['RowsExpire', 'False', 'Failing', false])
})

test('how far it is stays shown while no worker says it', () => {
  const oldestTime = '2026-01-31T00:00:00.000Z'
  const rows = { oldestTime, expiredRevision: '7' }
  assert.deepEqual(expiryProgress(kept, report({ oldestTime, revision: 7 })), { rows })
  const shown = tableWith({ rows: { retentionSeconds: 60 } }, { progress: { revision: '9', rows } })
  assert.deepEqual(expiryProgress(shown, undefined), { rows })
  assert.deepEqual(expiryProgress(shown, report()), {})
  assert.deepEqual(expiryProgress(kept, undefined), {})
})
