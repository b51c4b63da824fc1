/** What the lake's own writer puts into the bucket, delta-rs and Trino read alike: rows, change history, checkpoints, statistics. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { missingHere, testNeeding } from '../../devstack/lake/needs.ts'
import { testTrino } from '../../devstack/testing.ts'
import type { Action, AddFile } from '../../engine/lake/delta/actions.ts'
import { writeCheckpoint } from '../../engine/lake/delta/checkpoint.ts'
import { cleanLog } from '../../engine/lake/delta/clean-up.ts'
import { commit } from '../../engine/lake/delta/commit.ts'
import { packVectors } from '../../engine/lake/delta/deletion-vector.ts'
import { changePath, type DeltaLake, dataPath } from '../../engine/lake/delta/lake.ts'
import { creationActions } from '../../engine/lake/delta/protocol.ts'
import { readState } from '../../engine/lake/delta/state.ts'
import { type ChangeType, ParquetFiles, type WrittenFile } from '../../engine/lake/parquet.ts'
import type { Json, Row, TableSchema } from '../../engine/schema/schema.ts'
import { temporaryFolder } from '../../engine/testing.ts'
import { everyRow, everyType } from './every-type.ts'
import { asSeenBy, canonicalRows, inOrder } from './form.ts'
import type { LakeTable } from './reader.ts'
import { readersScene, type Scene } from './scene.ts'
import { startTrinoReader } from './trino.ts'

const missing = await missingHere('python', 'trino')
const withReaders = testNeeding(missing)

const running = new AsyncDisposableStack()
const app = 'table-uid/1'
const lists = (value: Json): value is readonly Json[] => Array.isArray(value)
/** Rows as a Table may hold them: an item of an array is never null, JSON's own arrays aside. */
const rows: readonly Row[] = everyRow.map(row =>
  Object.fromEntries(
    everyType.columns.map(({ name, type }) => {
      const value = row[name] ?? null
      return [name, type === 'Array' && lists(value) ? value.filter(item => item !== null) : value]
    }),
  ),
)
const row = (id: number): Row => {
  const found = rows[id - 1]
  assert.ok(found !== undefined)
  return found
}
/** Row 2 comes back with the values of row 3; row 4 goes. */
const rewritten: Row = { ...row(3), id: '2' }
const afterwards = rows.filter(({ id }) => id !== '4').map(one => (one.id === '2' ? rewritten : one))
/** Microseconds; the last digits are lost on Trino. */
const commitTime = 1_700_000_000_000_600

let scene: Scene
let folder: string
let files: ParquetFiles
let lake: DeltaLake
let table: LakeTable

before(async () => {
  if (missing !== undefined) return
  scene = running.use(await readersScene())
  const scratch = await temporaryFolder()
  running.defer(scratch.remove)
  folder = scratch.path
  files = await ParquetFiles.open(folder, { memory: '256MB', threads: 1 })
  running.defer(() => files.close())
  lake = { objects: scene.store, bucket: scene.bucket, root: 'lake' }
  table = { bucket: scene.bucket, path: lake.root }
})

after(() => running.disposeAsync())

type Line = Readonly<Record<string, unknown>>

/** A row as the writer takes it, with what stands beside it. */
const lineOf = (given: Row, revision: number, more: Line = {}): Line => ({
  _revision: revision,
  _commit_time: commitTime,
  ...more,
  ...given,
})

const changeOf = (type: ChangeType, given: Row, revision: number): Line =>
  lineOf(given, revision, {
    _change_type: type,
    _blasty_revision: revision,
    _blasty_batch_end: 11,
    _blasty_batch_time: commitTime,
  })

/** Writes lines by `write` and puts the file under `path`. */
async function put(
  path: string,
  lines: readonly Line[],
  write: (from: string, to: string) => Promise<WrittenFile>,
): Promise<WrittenFile> {
  const [from, to] = [join(folder, `${randomUUID()}.ndjson`), join(folder, `${randomUUID()}.parquet`)]
  await writeFile(from, lines.map(line => `${JSON.stringify(line)}\n`).join(''))
  const written = await write(from, to)
  await lake.objects.upload(lake.bucket, `${lake.root}/${path}`, createReadStream(to), {
    type: 'application/octet-stream',
  })
  return written
}

async function added(schema: TableSchema, lines: readonly Line[]): Promise<AddFile> {
  const path = dataPath(randomUUID())
  const { bytes, stats } = await put(path, lines, (from, to) => files.writeRows(schema, from, to))
  const common = { partitionValues: {}, modificationTime: Date.now(), dataChange: true }
  return { path, size: bytes, ...common, stats: stats.text(true) }
}

const removed = ({ path, size, deletionVector }: AddFile, dataChange = true): Action => ({
  remove: {
    path,
    size,
    dataChange,
    deletionTimestamp: Date.now(),
    extendedFileMetadata: true,
    partitionValues: {},
    ...(deletionVector && { deletionVector }),
  },
})

async function committed(version: number, operation: string, ...actions: Action[]): Promise<void> {
  const result = await commit(lake, version, actions, {
    commitId: randomUUID(),
    timestamp: Date.now() + version,
    operation,
  })
  assert.equal(result.kind, 'committed')
}

async function assertRows(ours: readonly Row[]): Promise<void> {
  for (const reader of scene.readers) {
    const seen = canonicalRows(everyType, await reader.rows(table))
    assert.deepEqual(inOrder(seen, 'id'), inOrder(asSeenBy(reader, everyType, ours), 'id'), reader.name)
  }
}

withReaders('the life of a lake: written, changed, compacted, checkpointed, cleaned up', async t => {
  const first = await added(
    everyType,
    rows.map((one, index) => lineOf(one, index + 1)),
  )
  const made = creationActions(everyType, { id: randomUUID(), createdTime: Date.now(), name: 'every_type' })
  await committed(0, 'CREATE TABLE', ...made)
  await committed(1, 'WRITE', { txn: { appId: app, version: 9 } }, { add: first })
  await t.test('every type is read as it was written', () => assertRows(rows))

  const vectors = packVectors(new Map([[first.path, [1, 3]]]))
  await lake.objects.put(lake.bucket, `${lake.root}/${vectors.path}`, vectors.bytes)
  const deletionVector = vectors.descriptors.get(first.path)
  assert.ok(deletionVector !== undefined)
  const second = await added(everyType, [lineOf(rewritten, 10)])
  const lines = [
    changeOf('update_preimage', row(2), 10),
    changeOf('update_postimage', rewritten, 10),
    changeOf('delete', row(4), 11),
  ]
  const changes = changePath(randomUUID())
  const { bytes } = await put(changes, lines, (from, to) => files.writeChanges(everyType, from, to))
  const thinned: AddFile = { ...first, deletionVector }
  await committed(
    2,
    'MERGE',
    { txn: { appId: app, version: 11 } },
    removed(first),
    { add: thinned },
    { add: second },
    { cdc: { path: changes, size: bytes, partitionValues: {}, dataChange: false } },
  )
  await t.test('rows that were changed and deleted are so', () => assertRows(afterwards))
  await t.test('the change history holds each change once, before and after', async () => {
    for (const reader of scene.readers) {
      const feed = await reader.changes(table, 2, 2)
      const expected = [
        { kind: 'delete', of: row(4), revision: '11' },
        { kind: 'update_postimage', of: rewritten, revision: '10' },
        { kind: 'update_preimage', of: row(2), revision: '10' },
      ]
      const ordered = inOrder(feed, '_change_type')
      assert.deepEqual(
        ordered.map(one => [one._change_type, one._revision, one._commit_version]),
        expected.map(({ kind, revision }) => [kind, revision, '2']),
        reader.name,
      )
      assert.deepEqual(
        canonicalRows(everyType, ordered),
        asSeenBy(
          reader,
          everyType,
          expected.map(({ of }) => of),
        ),
        reader.name,
      )
    }
  })

  const whole = await added(
    everyType,
    afterwards.map((one, index) => lineOf(one, index + 1)),
  )
  await committed(3, 'OPTIMIZE', removed(thinned, false), removed(second, false), {
    add: { ...whole, dataChange: false },
  })
  const state = await readState(lake)
  assert.equal(state?.version, 3)
  await writeCheckpoint(lake, state, folder)
  await committed(4, 'WRITE', { txn: { appId: app, version: 12 } })
  assert.equal(await cleanLog(lake, state, { olderThan: Date.now() + 60_000 }), 3)
  await t.test('rows, properties and positions are read from a checkpoint, its commits being gone', async () => {
    await assertRows(afterwards)
    const { version, transactions, configuration } = await scene.deltaRs.describe(table, [app])
    assert.equal(version, 4)
    assert.deepEqual(transactions, { [app]: 12 })
    assert.equal(configuration['delta.enableChangeDataFeed'], 'true')
    // A reader that meets the table only now.
    await using stranger = await startTrinoReader(await testTrino())
    assert.equal((await stranger.rows(table)).length, afterwards.length)
  })
  await t.test('no row is lost to statistics: each is found by each of its values', async () => {
    await assertFound()
  })
})

/** Conditions at the bounds of columns with statistics, and how many rows fulfil them; where their SQL differs, Trino's second. */
async function assertFound(): Promise<void> {
  const conditions: readonly [count: number, where: string, forTrino?: string][] = [
    [0, 'int32 <= -2147483648'],
    [2, 'int32 >= 2147483647'],
    [2, 'int64 = 9223372036854775807'],
    [2, 'int64 <= 0'],
    [3, 'double >= 1.7976931348623157e308', 'double >= 1.7976931348623157e308 OR is_nan(double)'],
    [1, 'double <= -1.5'],
    [2, "small = CAST('9999999.99' AS decimal(9, 2))"],
    [2, "middle >= CAST('99999999999999.9999' AS decimal(18, 4))"],
    [3, `text > '${'x'.repeat(50)}'`],
    [2, "day >= DATE '9999-12-31'"],
    [1, "day <= DATE '1582-10-04'"],
    [2, 'moment >= to_timestamp_micros(253402300799999000)', "moment >= TIMESTAMP '9999-12-31 23:59:59.999 UTC'"],
    [1, "uuid = '00000000-0000-0000-0000-000000000000'"],
    [1, 'moment IS NULL'],
  ]
  for (const [count, where, forTrino = where] of conditions) {
    const seen = {
      deltaRs: await scene.deltaRs.query(table, `SELECT count(*) AS n FROM t WHERE ${where}`),
      trino: await scene.trino.query(table, `SELECT count(*) AS n FROM {t} WHERE ${forTrino}`),
    }
    assert.deepEqual(seen, { deltaRs: [{ n: String(count) }], trino: [{ n: String(count) }] }, where)
  }
}
