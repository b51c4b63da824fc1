/** delta-rs and Trino, which share no code with this project, read a Delta table alike: rows, versions, change history. */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { type ObjectStore, objectStore } from '../../backends/object-store/store.ts'
import { isBlastyError } from '../../base/errors.ts'
import { missingHere, testNeeding } from '../../devstack/lake/needs.ts'
import { testStack, testTrino, uniqueName } from '../../devstack/testing.ts'
import type { Json, Row, ScalarType, TableSchema } from '../../engine/schema/schema.ts'
import { type DeltaRs, startDeltaRs } from './delta-rs.ts'
import { everyRow, everyType } from './every-type.ts'
import { asSeenBy, canonicalRows, inOrder } from './form.ts'
import { type Action, added, creation, plainDelta, removed, selectRows } from './plain-delta.ts'
import type { LakeReader, LakeTable } from './reader.ts'
import { startTrinoReader, type TrinoReader } from './trino.ts'

const missing = await missingHere('python', 'trino')
const withReaders = testNeeding(missing)

const running = new AsyncDisposableStack()
const table: LakeTable = { bucket: uniqueName('readers'), path: 'lake/every-type' }
let deltaRs: DeltaRs
let trino: TrinoReader
let store: ObjectStore

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
  const stack = await testStack('objectStore')
  store = objectStore({ ...stack.objectStore, pathStyle: true })
  await store.makeBucket(table.bucket)
  await using delta = await plainDelta(store, table)
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
  deltaRs = running.use(await startDeltaRs(stack.objectStore))
  trino = running.use(await startTrinoReader(await testTrino()))
})

after(() => running.disposeAsync())

/** A small table of its own, from actions and queries given. */
async function smallTable(
  columns: TableSchema['columns'],
  files: readonly { readonly sql: string; readonly stats?: Action }[],
): Promise<LakeTable> {
  const small: LakeTable = { bucket: table.bucket, path: uniqueName('small') }
  await using writer = await plainDelta(store, small)
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

const readers = (): readonly LakeReader[] => [deltaRs, trino]

/** Rows of a reader against our own, both in canonical JSON and in the order of the key. */
function assertSeen(reader: LakeReader, seen: readonly Row[], ours: readonly Row[]): void {
  const expected = inOrder(asSeenBy(reader, everyType, ours), 'id')
  assert.deepEqual(inOrder(seen, 'id'), expected, reader.name)
}

withReaders('every type, at its edges, is read as it was written', async () => {
  for (const reader of readers()) {
    assertSeen(reader, canonicalRows(everyType, await reader.rows(table, 1)), everyRow)
  }
})

withReaders('rows under a deletion vector are gone and their new form is there', async () => {
  for (const reader of readers()) {
    assertSeen(reader, canonicalRows(everyType, await reader.rows(table)), afterwards)
  }
})

withReaders(
  'the change history holds every change with its version, and no column of ours that it should not',
  async () => {
    for (const reader of readers()) {
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

withReaders('a table without a file has no rows, and a version is read as it was', async () => {
  const small = await smallTable(columnOf('Int32'), [
    { sql: 'SELECT 1::INTEGER AS v' },
    { sql: 'SELECT 2::INTEGER AS v' },
  ])
  for (const reader of readers()) {
    assert.deepEqual(await valuesOf(reader, small, 0), [], reader.name)
    assert.deepEqual(await valuesOf(reader, small, 1), [1], reader.name)
    assert.deepEqual(await valuesOf(reader, small), [1, 2], reader.name)
  }
})

withReaders('a commit is seen by the next question', async () => {
  const small = await smallTable(columnOf('Int32'), [{ sql: 'SELECT 1::INTEGER AS v' }])
  await using writer = await plainDelta(store, small)
  for (const reader of readers()) assert.deepEqual(await valuesOf(reader, small), [1], reader.name)
  await writer.commit(2, added(await writer.parquet('next.parquet', 'SELECT 2::INTEGER AS v'), {}))
  for (const reader of readers()) assert.deepEqual(await valuesOf(reader, small), [1, 2], reader.name)
})

withReaders('the second to write a version is refused, and nothing of it is seen', async () => {
  const small = await smallTable(columnOf('Int32'), [{ sql: 'SELECT 1::INTEGER AS v' }])
  await using writer = await plainDelta(store, small)
  const file = await writer.parquet('late.parquet', 'SELECT 2::INTEGER AS v')
  await assert.rejects(writer.commit(1, added(file, {})), /is there already/)
  for (const reader of readers()) assert.deepEqual(await valuesOf(reader, small), [1], reader.name)
})

withReaders('delta-rs knows how far each application has written, and what the table asks of its readers', async () => {
  const described = await deltaRs.describe(table, [app, 'another'])
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
  const types = await trino.types(table)
  assert.equal(types.int64, 'bigint')
  assert.equal(types.wide, 'decimal(38,10)')
  assert.equal(types.uuid, 'varchar')
  assert.equal(types.place, 'row(lat double, lon double)')
  assert.equal(types.moments, 'array(timestamp(3) with time zone)')
})

withReaders(
  'a compaction changes neither rows nor history, nor does a commit that only moves an application on',
  async () => {
    const small = await smallTable(columnOf('Int32'), [
      { sql: 'SELECT 1::INTEGER AS v' },
      { sql: 'SELECT 2::INTEGER AS v' },
    ])
    await using writer = await plainDelta(store, small)
    const whole = await writer.parquet('whole.parquet', 'SELECT unnest([1, 2])::INTEGER AS v')
    const same = { dataChange: false }
    const files = ['0.parquet', '1.parquet'].map(path => removed({ path, size: 0 }, same))
    await writer.commit(3, info('OPTIMIZE'), ...files, added(whole, { numRecords: 2 }, same))
    await writer.commit(4, info('STREAMING UPDATE'), txn(7))
    for (const reader of readers()) {
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
    await using writer = await plainDelta(store, small)
    const [first] = columnOf('Int32')
    assert.ok(first !== undefined)
    const later = (...names: string[]): Action[] =>
      creation({ ...everyType, columns: names.map(name => ({ ...first, name })) }).filter(
        action => 'metaData' in action,
      )
    await writer.commit(2, info('ADD COLUMNS'), ...later('v', 'w'))
    const both = await writer.parquet('both.parquet', 'SELECT 2::INTEGER AS v, 20::INTEGER AS w')
    await writer.commit(3, info('WRITE'), added(both, { numRecords: 1 }))
    for (const reader of readers()) {
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
    for (const reader of readers()) {
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

withReaders('negative zero keeps its sign', async () => {
  const small = await smallTable(columnOf('Double'), [{ sql: "SELECT '-0.0'::DOUBLE AS v" }])
  for (const reader of readers()) assert.deepEqual(await valuesOf(reader, small), [-0], reader.name)
})

withReaders('the last microsecond of the year 9999 is in the year 10000 to Trino', async () => {
  const small = await smallTable(columnOf('Timestamp'), [
    { sql: "SELECT '9999-12-31 23:59:59.999999+00'::TIMESTAMPTZ AS v" },
  ])
  assert.deepEqual(await valuesOf(deltaRs, small), ['9999-12-31T23:59:59.999999Z'])
  assert.deepEqual(await valuesOf(trino, small), ['+010000-01-01T00:00:00.000000Z'])
})

withReaders('a column that Parquet calls a UUID is read by neither', async () => {
  const small = await smallTable(columnOf('UUID'), [
    { sql: "SELECT 'ffffffff-d9cb-469f-a165-70867728950e'::UUID AS v" },
  ])
  await assert.rejects(deltaRs.rows(small), /Cannot cast .*FixedSizeBinary\(16\)/)
  const [bytes] = await trino.query(small, 'SELECT to_hex(CAST(v AS varbinary)) AS hex FROM {t}')
  assert.deepEqual(bytes, { hex: 'FFFFFFFFD9CB469FA16570867728950E' }, 'bytes that it takes for text')
})

withReaders('a column that Parquet calls JSON is read as its text', async () => {
  const small = await smallTable(columnOf('JSON'), [{ sql: `SELECT '{"a": 1}'::JSON AS v` }])
  for (const reader of readers()) assert.deepEqual(await valuesOf(reader, small), ['{"a": 1}'], reader.name)
})

const counted = {
  deltaRs: (where: string) => `SELECT count(*) AS n FROM t WHERE ${where}`,
  trino: (where: string) => `SELECT count(*) AS n FROM {t} WHERE ${where}`,
}

/** How many rows fulfil a condition, by reader. */
async function counts(small: LakeTable, where: { readonly deltaRs: string; readonly trino: string }) {
  const [[forDeltaRs], [forTrino]] = [
    await deltaRs.query(small, counted.deltaRs(where.deltaRs)),
    await trino.query(small, counted.trino(where.trino)),
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
    for (const reader of readers()) assert.deepEqual(await valuesOf(reader, none), ['NaN', 1.5], reader.name)
  },
)

withReaders('what a reader cannot do is its own error, and the next question is answered', async () => {
  const nowhere: LakeTable = { bucket: table.bucket, path: 'nowhere' }
  await assert.rejects(deltaRs.rows(nowhere), /TableNotFoundError/)
  await assert.rejects(trino.rows(nowhere), error => isBlastyError(error))
  for (const reader of readers()) assert.equal((await reader.rows(table)).length, afterwards.length)
})
