/** Where delta-rs and Trino surprise a writer of tables, each on a small table of its own (docs/lake-readers.md). */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { missingHere, testNeeding } from '../../devstack/lake/needs.ts'
import { uniqueName } from '../../devstack/testing.ts'
import type { Json, ScalarType, TableSchema } from '../../engine/schema/schema.ts'
import { everyType } from './every-type.ts'
import { inOrder } from './form.ts'
import { type Action, added, creation, plainDelta, removed } from './plain-delta.ts'
import type { LakeReader, LakeTable } from './reader.ts'
import { readersScene, type Scene } from './scene.ts'

const missing = await missingHere('python', 'trino')
const withReaders = testNeeding(missing)

let scene: Scene

before(async () => {
  if (missing === undefined) scene = await readersScene()
})

after(() => scene?.[Symbol.asyncDispose]())

const app = 'table-uid/1'
const txn = (version: number) => ({ txn: { appId: app, version, lastUpdated: Date.now() } })
const info = (operation: string) => ({ commitInfo: { timestamp: Date.now(), operation } })

/** A small table of its own, from actions and queries given. */
async function smallTable(
  columns: TableSchema['columns'],
  files: readonly { readonly sql: string; readonly stats?: Action }[],
): Promise<LakeTable> {
  const small: LakeTable = { bucket: scene.bucket, path: uniqueName('small') }
  await using writer = await plainDelta(scene.store, small)
  const schema: TableSchema = { ...everyType, columns }
  await writer.commit(0, ...creation(schema))
  for (const [index, { sql, stats = {} }] of files.entries()) {
    // Trino has a history only of commits with exactly one commitInfo.
    await writer.commit(index + 1, info('WRITE'), added(await writer.parquet(`${index}.parquet`, sql), stats))
  }
  return small
}

const columnOf = (type: ScalarType): TableSchema['columns'] => [{ name: 'v', type, required: false, field: 1 }]
const valuesOf = async (reader: LakeReader, small: LakeTable, version?: number): Promise<Json[]> =>
  inOrder(await reader.rows(small, version), 'v').map(({ v }) => v ?? null)

withReaders('a table without a file has no rows, and a version is read as it was', async () => {
  const small = await smallTable(columnOf('Int32'), [
    { sql: 'SELECT 1::INTEGER AS v' },
    { sql: 'SELECT 2::INTEGER AS v' },
  ])
  for (const reader of scene.readers) {
    assert.deepEqual(await valuesOf(reader, small, 0), [], reader.name)
    assert.deepEqual(await valuesOf(reader, small, 1), [1], reader.name)
    assert.deepEqual(await valuesOf(reader, small), [1, 2], reader.name)
  }
})

withReaders('a commit is seen by the next question', async () => {
  const small = await smallTable(columnOf('Int32'), [{ sql: 'SELECT 1::INTEGER AS v' }])
  await using writer = await plainDelta(scene.store, small)
  for (const reader of scene.readers) assert.deepEqual(await valuesOf(reader, small), [1], reader.name)
  await writer.commit(2, added(await writer.parquet('next.parquet', 'SELECT 2::INTEGER AS v'), {}))
  for (const reader of scene.readers) assert.deepEqual(await valuesOf(reader, small), [1, 2], reader.name)
})

withReaders('the second to write a version is refused, and nothing of it is seen', async () => {
  const small = await smallTable(columnOf('Int32'), [{ sql: 'SELECT 1::INTEGER AS v' }])
  await using writer = await plainDelta(scene.store, small)
  const file = await writer.parquet('late.parquet', 'SELECT 2::INTEGER AS v')
  await assert.rejects(writer.commit(1, added(file, {})), /is there already/)
  for (const reader of scene.readers) assert.deepEqual(await valuesOf(reader, small), [1], reader.name)
})

withReaders(
  'a compaction changes neither rows nor history, nor does a commit that only moves an application on',
  async () => {
    const small = await smallTable(columnOf('Int32'), [
      { sql: 'SELECT 1::INTEGER AS v' },
      { sql: 'SELECT 2::INTEGER AS v' },
    ])
    await using writer = await plainDelta(scene.store, small)
    const whole = await writer.parquet('whole.parquet', 'SELECT unnest([1, 2])::INTEGER AS v')
    const same = { dataChange: false }
    const files = ['0.parquet', '1.parquet'].map(path => removed({ path, size: 0 }, same))
    await writer.commit(3, info('OPTIMIZE'), ...files, added(whole, { numRecords: 2 }, same))
    await writer.commit(4, info('STREAMING UPDATE'), txn(7))
    for (const reader of scene.readers) {
      assert.deepEqual(await valuesOf(reader, small), [1, 2], reader.name)
      assert.deepEqual(await reader.changes(small, 3, 4), [], reader.name)
      const all = await reader.changes(small, 0, 4)
      assert.deepEqual(
        inOrder(all, 'v').map(row => [row._commit_version, row._change_type, row.v]),
        [
          ['1', 'insert', 1],
          ['2', 'insert', 2],
        ],
        reader.name,
      )
    }
  },
)

withReaders(
  'columns come and go: older rows have null for a new one, and one that was retired is no longer shown',
  async () => {
    const small = await smallTable(columnOf('Int32'), [{ sql: 'SELECT 1::INTEGER AS v' }])
    await using writer = await plainDelta(scene.store, small)
    const [first] = columnOf('Int32')
    assert.ok(first !== undefined)
    const later = (...names: string[]): Action[] =>
      creation({ ...everyType, columns: names.map(name => ({ ...first, name })) }).filter(
        action => 'metaData' in action,
      )
    await writer.commit(2, info('ADD COLUMNS'), ...later('v', 'w'))
    const both = await writer.parquet('both.parquet', 'SELECT 2::INTEGER AS v, 20::INTEGER AS w')
    await writer.commit(3, info('WRITE'), added(both, { numRecords: 1 }))
    for (const reader of scene.readers) {
      assert.deepEqual(
        inOrder(await reader.rows(small), 'v'),
        [
          { v: 1, w: null },
          { v: 2, w: 20 },
        ],
        reader.name,
      )
    }
    await writer.commit(4, info('DROP COLUMNS'), ...later('w'))
    for (const reader of scene.readers) {
      assert.deepEqual(inOrder(await reader.rows(small), 'w'), [{ w: 20 }, { w: null }], reader.name)
      const history = inOrder(await reader.changes(small, 1, 4), '_commit_version')
      assert.deepEqual(
        history.map(row => [row._commit_version, row._change_type, 'v' in row, row.w]),
        [
          ['1', 'insert', false, null],
          ['3', 'insert', false, 20],
        ],
        reader.name,
      )
    }
  },
)

withReaders('Trino counts an insert twice where a version with a change file removes no data', async () => {
  const quiet = { path: 'part-never.parquet', size: 0 }
  for (const { also, inTrino } of [
    { also: [], inTrino: 2 },
    { also: [removed(quiet, { dataChange: false })], inTrino: 2 },
    { also: [removed(quiet)], inTrino: 1 },
  ]) {
    const small = await smallTable(columnOf('Int32'), [])
    await using writer = await plainDelta(scene.store, small)
    const file = await writer.parquet('a.parquet', 'SELECT 1::INTEGER AS v')
    const change = await writer.parquet('_change_data/a.parquet', "SELECT 1::INTEGER AS v, 'insert' AS _change_type")
    const cdc = { cdc: { path: change.path, size: change.size, partitionValues: {}, dataChange: false } }
    await writer.commit(1, info('WRITE'), ...also, added(file, { numRecords: 1 }), cdc)
    assert.equal((await scene.deltaRs.changes(small, 1, 1)).length, 1)
    assert.equal((await scene.trino.changes(small, 1, 1)).length, inTrino)
    for (const reader of scene.readers) assert.deepEqual(await valuesOf(reader, small), [1], reader.name)
  }
})

withReaders('negative zero keeps its sign', async () => {
  const small = await smallTable(columnOf('Double'), [{ sql: "SELECT '-0.0'::DOUBLE AS v" }])
  for (const reader of scene.readers) assert.deepEqual(await valuesOf(reader, small), [-0], reader.name)
})

withReaders('the last microsecond of the year 9999 is in the year 10000 to Trino', async () => {
  const small = await smallTable(columnOf('Timestamp'), [
    { sql: "SELECT '9999-12-31 23:59:59.999999+00'::TIMESTAMPTZ AS v" },
  ])
  assert.deepEqual(await valuesOf(scene.deltaRs, small), ['9999-12-31T23:59:59.999999Z'])
  assert.deepEqual(await valuesOf(scene.trino, small), ['+010000-01-01T00:00:00.000000Z'])
})

withReaders('a column that Parquet calls a UUID is read by neither', async () => {
  const small = await smallTable(columnOf('UUID'), [
    { sql: "SELECT 'ffffffff-d9cb-469f-a165-70867728950e'::UUID AS v" },
  ])
  await assert.rejects(scene.deltaRs.rows(small), /Cannot cast .*FixedSizeBinary\(16\)/)
  const [bytes] = await scene.trino.query(small, 'SELECT to_hex(CAST(v AS varbinary)) AS hex FROM {t}')
  assert.deepEqual(bytes, { hex: 'FFFFFFFFD9CB469FA16570867728950E' }, 'bytes that it takes for text')
})

withReaders('a column that Parquet calls JSON is read as its text', async () => {
  const small = await smallTable(columnOf('JSON'), [{ sql: `SELECT '{"a": 1}'::JSON AS v` }])
  for (const reader of scene.readers) assert.deepEqual(await valuesOf(reader, small), ['{"a": 1}'], reader.name)
})

const counted = {
  deltaRs: (where: string) => `SELECT count(*) AS n FROM t WHERE ${where}`,
  trino: (where: string) => `SELECT count(*) AS n FROM {t} WHERE ${where}`,
}

/** How many rows fulfil a condition, by reader. */
async function counts(small: LakeTable, where: { readonly deltaRs: string; readonly trino: string }) {
  const [[forDeltaRs], [forTrino]] = [
    await scene.deltaRs.query(small, counted.deltaRs(where.deltaRs)),
    await scene.trino.query(small, counted.trino(where.trino)),
  ]
  return { deltaRs: forDeltaRs?.n, trino: forTrino?.n }
}

withReaders(
  'Trino loses a time whose statistics are cut off at the millisecond, and finds it when they are rounded up',
  async () => {
    const sql = "SELECT '1969-12-31 23:59:59.999999+00'::TIMESTAMPTZ AS v"
    const stats = (max: string): Action => ({
      numRecords: 1,
      minValues: { v: '1969-12-31T23:59:59.999Z' },
      maxValues: { v: max },
      nullCount: { v: 0 },
    })
    const cut = await smallTable(columnOf('Timestamp'), [{ sql, stats: stats('1969-12-31T23:59:59.999Z') }])
    const up = await smallTable(columnOf('Timestamp'), [{ sql, stats: stats('1970-01-01T00:00:00.000Z') }])
    const exact = {
      deltaRs: "v = TIMESTAMP '1969-12-31T23:59:59.999999Z'",
      trino: "v = TIMESTAMP '1970-01-01 00:00:00 UTC'",
    }
    assert.deepEqual(await counts(cut, exact), { deltaRs: '1', trino: '0' })
    assert.deepEqual(await counts(up, exact), { deltaRs: '1', trino: '1' })
  },
)

withReaders(
  'delta-rs loses a NaN whose statistics leave it out, and finds it when there are none or they say NaN',
  async () => {
    const sql = "SELECT unnest([1.5, 'NaN'::DOUBLE]) AS v"
    const stats = (max: number | string): Action => ({
      numRecords: 2,
      minValues: { v: 1.5 },
      maxValues: { v: max },
      nullCount: { v: 0 },
    })
    const above = { deltaRs: 'v > 2', trino: 'v > 2 OR is_nan(v)' } // NaN is above every number for one, beside them for the other
    const leftOut = await smallTable(columnOf('Double'), [{ sql, stats: stats(1.5) }])
    const said = await smallTable(columnOf('Double'), [{ sql, stats: stats('NaN') }])
    const none = await smallTable(columnOf('Double'), [{ sql, stats: { numRecords: 2 } }])
    assert.deepEqual(await counts(leftOut, above), { deltaRs: '0', trino: '1' })
    assert.deepEqual(await counts(said, above), { deltaRs: '1', trino: '1' })
    assert.deepEqual(await counts(none, above), { deltaRs: '1', trino: '1' })
    for (const reader of scene.readers) assert.deepEqual(await valuesOf(reader, none), ['NaN', 1.5], reader.name)
  },
)
