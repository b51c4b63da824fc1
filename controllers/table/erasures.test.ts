/** What a status says of rows that are being forgotten. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tables } from '../../directory/kinds.ts'
import type { ErasuresReport } from '../../engine/membership/reports.ts'
import { erasuresCondition, erasuresOf } from './erasures.ts'

const tableWith = (status: object) =>
  tables.decode({ metadata: { name: 't', namespace: 'n', uid: 'u', resourceVersion: '1' }, spec: {}, status })

const report = (change: Partial<ErasuresReport> = {}): ErasuresReport => ({
  kind: 'erasures',
  tableUid: 'u',
  worker: 'w',
  erasures: [
    {
      id: 'e1',
      revision: 2 ** 53 - 1,
      requestedTime: '2026-01-31T00:00:00.000Z',
      keys: 2,
      stores: [
        { name: 'log', state: 'Done' },
        { name: 'blobs', state: 'Waiting', reason: 'a day'.repeat(100), until: '2026-02-01T00:00:00.000Z' },
      ],
    },
  ],
  ...change,
})

test('a condition is there only while rows cannot be erased, and does not decide whether the Table is ready', () => {
  assert.equal(erasuresCondition({}), undefined)
  assert.equal(erasuresCondition({ erasures: report() }), undefined)
  const failing = erasuresCondition({ erasures: report({ error: 'the bucket is away' }) })
  assert.deepEqual(
    [failing?.type, failing?.status, failing?.reason, failing?.message, failing?.gates],
    ['Erasing', 'False', 'Failing', 'the bucket is away', false],
  )
})

test('each erasure is shown with its stores, within the bounds of a status, and stays so while no worker says it', () => {
  const { erasures } = erasuresOf(tableWith({}), { erasures: report() })
  assert.deepEqual(
    erasures?.map(({ id, revision, keys }) => [id, revision, keys]),
    [['e1', '9007199254740991', 2]],
  )
  assert.deepEqual(
    erasures?.[0]?.stores.map(({ name, state, reason, until }) => [name, state, reason?.length, until]),
    [
      ['log', 'Done', undefined, undefined],
      ['blobs', 'Waiting', 256, '2026-02-01T00:00:00.000Z'],
    ],
  )
  const shown = tableWith({ erasures })
  assert.deepEqual(erasuresOf(shown, {}), { erasures })
  assert.deepEqual(erasuresOf(shown, { erasures: report({ erasures: [], error: 'it cannot be read' }) }), { erasures })
  assert.deepEqual(erasuresOf(tableWith({}), {}), {})
})
