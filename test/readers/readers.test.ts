/** delta-rs and Trino, which share no code with this project, read a Delta table alike: rows, versions, change history. */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { missingHere, testNeeding } from '../../devstack/lake/needs.ts'
import type { Row } from '../../engine/schema/schema.ts'
import { everyRow, everyType } from './every-type.ts'
import { asSeenBy, canonicalRows, inOrder } from './form.ts'
import { added, creation, plainDelta, removed } from './plain-delta.ts'
import { selectRows } from './plain-types.ts'
import type { LakeReader, LakeTable } from './reader.ts'
import { readersScene, type Scene } from './scene.ts'

const missing = await missingHere('python', 'trino')
const withReaders = testNeeding(missing)

let scene: Scene
let table: LakeTable

const lakeColumns = [
  { name: '_revision', type: 'long' },
  { name: '_commit_time', type: 'timestamp' },
]
const committed = (revision: number): string[] => [
  `${revision}::BIGINT AS _revision`,
  `TIMESTAMPTZ '2026-01-01 00:00:00.000001+00' AS _commit_time`,
]
/** Columns of change files beside the table's own: Delta's, and ours, which readers must not mind. */
const change = (type: string, revision: number): string[] => [
  ...committed(revision),
  `'${type}' AS _change_type`,
  `${revision}::BIGINT AS _blasty_revision`,
  'true AS _blasty_batch_end',
]
const app = 'table-uid/1'
const txn = (version: number) => ({ txn: { appId: app, version, lastUpdated: Date.now() } })
const info = (operation: string) => ({ commitInfo: { timestamp: Date.now(), operation } })

const rowOf = (id: number): Row => {
  const row = everyRow[id - 1]
  assert.ok(row !== undefined)
  return row
}
/** Row 2 comes back with the values of row 3; row 4 goes. */
const rewritten: Row = { ...rowOf(3), id: '2' }
const afterwards: readonly Row[] = everyRow
  .filter(({ id }) => id !== '4')
  .map(row => (row.id === '2' ? rewritten : row))

before(async () => {
  if (missing !== undefined) return
  scene = await readersScene()
  table = { bucket: scene.bucket, path: 'lake/every-type' }
  await using delta = await plainDelta(scene.store, table)
  await delta.commit(0, ...creation(everyType, ...lakeColumns))
  const first = await delta.parquet(
    'first.parquet',
    selectRows(everyType, everyRow, (_, index) => committed(index + 1)),
  )
  const whole = { numRecords: everyRow.length }
  await delta.commit(1, info('WRITE'), txn(9), added(first, whole))

  const deletionVector = await delta.deletionVector([1, 3])
  const second = await delta.parquet(
    'second.parquet',
    selectRows(everyType, [rewritten], () => committed(10)),
  )
  const changes = await delta.parquet(
    '_change_data/cdc-second.parquet',
    [
      selectRows(everyType, [rowOf(2)], () => change('update_preimage', 10)),
      selectRows(everyType, [rewritten], () => change('update_postimage', 10)),
      selectRows(everyType, [rowOf(4)], () => change('delete', 11)),
    ].join(' UNION ALL '),
  )
  await delta.commit(
    2,
    info('MERGE'),
    txn(11),
    removed(first),
    added(first, whole, { deletionVector }),
    added(second, { numRecords: 1 }),
    { cdc: { path: changes.path, size: changes.size, partitionValues: {}, dataChange: false } },
  )
})

after(() => scene?.[Symbol.asyncDispose]())

/** Rows of a reader against our own, both in canonical JSON and in the order of the key. */
function assertSeen(reader: LakeReader, seen: readonly Row[], ours: readonly Row[]): void {
  const expected = inOrder(asSeenBy(reader, everyType, ours), 'id')
  assert.deepEqual(inOrder(seen, 'id'), expected, reader.name)
}

withReaders('every type, at its edges, is read as it was written', async () => {
  for (const reader of scene.readers) {
    assertSeen(reader, canonicalRows(everyType, await reader.rows(table, 1)), everyRow)
  }
})

withReaders('rows under a deletion vector are gone and their new form is there', async () => {
  for (const reader of scene.readers) {
    assertSeen(reader, canonicalRows(everyType, await reader.rows(table)), afterwards)
  }
})

withReaders(
  'the change history holds every change with its version, and no column of ours that it should not',
  async () => {
    for (const reader of scene.readers) {
      const changes = await reader.changes(table, 1, 2)
      const kinds = inOrder(changes, '_commit_version', '_change_type', 'id').map(row => [
        row._commit_version,
        row._change_type,
        row.id,
      ])
      assert.deepEqual(
        kinds,
        [
          ...everyRow.map(({ id }) => ['1', 'insert', id]),
          ['2', 'delete', '4'],
          ['2', 'update_postimage', '2'],
          ['2', 'update_preimage', '2'],
        ],
        reader.name,
      )
      const images = (version: string, kind: string): Row[] =>
        canonicalRows(
          everyType,
          changes.filter(row => row._commit_version === version && row._change_type === kind),
        )
      assertSeen(reader, images('1', 'insert'), everyRow)
      assertSeen(reader, images('2', 'update_preimage'), [rowOf(2)])
      assertSeen(reader, images('2', 'update_postimage'), [rewritten])
      assertSeen(reader, images('2', 'delete'), [rowOf(4)])
      const columns = [...everyType.columns, ...lakeColumns].map(({ name }) => name)
      const shown = [...columns, '_change_type', '_commit_version', '_commit_timestamp']
      for (const row of changes) assert.deepEqual(Object.keys(row).sort(), shown.toSorted(), reader.name)
    }
  },
)

withReaders('delta-rs knows how far each application has written, and what the table asks of its readers', async () => {
  const described = await scene.deltaRs.describe(table, [app, 'another'])
  assert.equal(described.version, 2)
  assert.deepEqual(described.transactions, { [app]: 11, another: null })
  assert.deepEqual(described.protocol.readerFeatures, ['deletionVectors'])
  assert.equal(described.configuration['delta.enableChangeDataFeed'], 'true')
  assert.deepEqual(
    described.history.map(({ version, operation }) => [version, operation]),
    [
      [2, 'MERGE'],
      [1, 'WRITE'],
      [0, 'CREATE TABLE'],
    ],
  )
})

withReaders("Trino's types are those of DESIGN's table, but for its times", async () => {
  const types = await scene.trino.types(table)
  assert.equal(types.int64, 'bigint')
  assert.equal(types.wide, 'decimal(38,10)')
  assert.equal(types.uuid, 'varchar')
  assert.equal(types.place, 'row(lat double, lon double)')
  assert.equal(types.moments, 'array(timestamp(3) with time zone)')
})

withReaders('what a reader cannot do is its own error, and the next question is answered', async () => {
  const nowhere: LakeTable = { bucket: table.bucket, path: 'nowhere' }
  await assert.rejects(scene.deltaRs.rows(nowhere), /TableNotFoundError/)
  await assert.rejects(scene.trino.rows(nowhere), error => isBlastyError(error))
  for (const reader of scene.readers) assert.equal((await reader.rows(table)).length, afterwards.length)
})
