import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import { isBlastyError } from '../../../base/errors.ts'
import { quoteText } from '../../sql/quote.ts'
import { filmSchema, temporaryFolder } from '../../testing.ts'
import { type Action, serialiseActions } from './actions.ts'
import { lastCheckpoint, writeCheckpoint } from './checkpoint.ts'
import { packVectors } from './deletion-vector.ts'
import { checkpointKeys, commitKey, type DeltaLake } from './lake.ts'
import { creationActions } from './protocol.ts'
import { readState } from './state.ts'
import {
  anotherLake,
  committed,
  creation,
  faultyStore,
  fileAdded,
  fileRemoved,
  present,
  type StoreFault,
  type TestLake,
  testLake,
  timeOfVersion,
} from './testing.ts'

let own: TestLake
let scratch: Awaited<ReturnType<typeof temporaryFolder>>
before(async () => {
  own = await testLake()
  scratch = await temporaryFolder()
})
after(async () => {
  await scratch.remove()
  await own.close()
})

const removeCommits = (lake: DeltaLake, below: number) =>
  lake.objects.remove(
    lake.bucket,
    Array.from({ length: below }, (_, version) => commitKey(lake, version)),
  )

/** Two files, one of them with a vector and tags, a tombstone, two applications. */
async function filled(): Promise<DeltaLake> {
  const lake = anotherLake(own.lake)
  const [plain, other, gone] = [fileAdded('part-ä b%20.parquet'), fileAdded(), fileAdded()]
  const vector = packVectors(new Map([[plain.path, [1, 2]]])).descriptors.get(plain.path)
  await committed(lake, 0, ...creation())
  await committed(lake, 1, { add: plain }, { add: other }, { add: gone }, { txn: { appId: 'a"\n', version: 2 ** 40 } })
  const tags = { quoted: 'a"b\\', line: 'a\nb', 'key with "': '' }
  const stats = JSON.stringify({ numRecords: 3, minValues: { title: '"\u0001€', n: 1e300 } })
  await committed(
    lake,
    2,
    { remove: fileRemoved(plain) },
    { add: { ...fileAdded(plain.path, vector), tags, stats } },
    { remove: fileRemoved(gone) },
    { txn: { appId: 'b', version: 1, lastUpdated: timeOfVersion(2) } },
  )
  return lake
}

test('a checkpoint holds all that the commits below it came to', async () => {
  const lake = await filled()
  const state = await present(lake)
  await writeCheckpoint(lake, state, scratch.path)
  assert.equal(await lastCheckpoint(lake), 2)
  await removeCommits(lake, 2)
  assert.deepEqual(await present(lake), state)
  await removeCommits(lake, 3)
  // Without the commit beside it, the time is the latest that the checkpoint knows of.
  assert.deepEqual(await present(lake), state)
})

test('a lake without files and one with thousands are both checkpointed', async () => {
  const lake = anotherLake(own.lake)
  await committed(lake, 0, ...creation())
  await writeCheckpoint(lake, await present(lake), scratch.path)
  await removeCommits(lake, 1)
  assert.equal((await present(lake)).files.size, 0)
  await committed(lake, 1, ...Array.from({ length: 20_000 }, (): Action => ({ add: fileAdded() })))
  const state = await present(lake)
  await writeCheckpoint(lake, state, scratch.path)
  await removeCommits(lake, 2)
  assert.deepEqual((await present(lake)).files, state.files)
})

test('tombstones that the table need not keep are left out, by the time of the version and no clock', async () => {
  const lake = anotherLake(own.lake)
  const [first, second] = [fileAdded(), fileAdded()]
  const options = { id: randomUUID(), createdTime: 0, historySeconds: 2 }
  await committed(lake, 0, ...creationActions(filmSchema, options), { add: first }, { add: second })
  await committed(lake, 1, { remove: fileRemoved(first, timeOfVersion(1)) })
  await committed(lake, 2, { remove: fileRemoved(second, timeOfVersion(2)) })
  await committed(lake, 3)
  await writeCheckpoint(lake, await present(lake), scratch.path)
  assert.deepEqual([...(await present(lake)).tombstones.keys()], [second.path])
})

test('a checkpoint of an older version does not send readers back', async () => {
  const lake = await filled()
  await writeCheckpoint(lake, await present(lake), scratch.path)
  await writeCheckpoint(lake, await present(lake, 1), scratch.path)
  assert.equal(await lastCheckpoint(lake), 2)
  assert.equal((await present(lake, 1)).version, 1)
})

for (const fault of ['unsent', 'unanswered'] satisfies StoreFault[]) {
  test(`whichever request of a checkpoint fails (${fault}), the lake reads as before, and a second try ends it`, async () => {
    const lake = await filled()
    const state = await present(lake)
    let total = 1
    for (let at = 1; at <= total; at++) {
      const faulty = faultyStore(lake.objects, at, fault)
      await assert.rejects(writeCheckpoint({ ...lake, objects: faulty.objects }, state, scratch.path))
      assert.deepEqual(await present(lake), state)
      total = Math.max(total, 3)
      if (at === total) break
      await lake.objects.remove(lake.bucket, checkpointKeys(lake, 2))
    }
    await writeCheckpoint(lake, state, scratch.path)
    assert.deepEqual(await present(lake), state)
    assert.equal(await lastCheckpoint(lake), 2)
  })
}

/** Puts the actions as Parquet as another engine may: only the columns that `select` names. */
async function foreignPart(lake: DeltaLake, key: string, actions: readonly Action[], select: string): Promise<void> {
  const [ndjson, parquet] = ['json', 'parquet'].map(type => join(scratch.path, `${randomUUID()}.${type}`))
  assert.ok(ndjson && parquet)
  const database = await DuckDBInstance.create(':memory:')
  const connection = await database.connect()
  await writeFile(ndjson, serialiseActions(actions))
  await connection.run(`COPY (SELECT ${select} FROM read_json(${quoteText(ndjson)})) TO ${quoteText(parquet)}`)
  connection.closeSync()
  database.closeSync()
  await lake.objects.put(lake.bucket, key, await readFile(parquet))
}

test('a checkpoint in parts, with columns that we do not know and without some that we do, is read; an incomplete one is not', async () => {
  const lake = anotherLake(own.lake)
  const files = [fileAdded('part-1.parquet'), fileAdded('part-2.parquet')]
  await committed(lake, 0, ...creation())
  await committed(lake, 1, ...files.map(add => ({ add })))
  const expected = await present(lake)
  await lake.objects.remove(lake.bucket, [commitKey(lake, 0)])
  const keys = checkpointKeys(lake, 1, 2)
  const extra = `add, {numRecords: 1, day: DATE '2026-01-31', raw: 'x'::BLOB} AS stats_parsed`
  await foreignPart(
    lake,
    keys[0] ?? '',
    files.map(add => ({ add })),
    extra,
  )
  await assert.rejects(readState(lake), error => isBlastyError(error, 'LAKE_CORRUPT'))
  await foreignPart(lake, keys[1] ?? '', creation(), 'protocol, "metaData"')
  assert.deepEqual((await present(lake)).files, expected.files)
  assert.equal((await present(lake)).timestamp, timeOfVersion(1))
})

test('a checkpoint that delta-rs wrote of a lake of ours is read', async () => {
  const lake = anotherLake(own.lake)
  const file = await readFile(new URL('delta-rs-1.6.6.checkpoint.parquet', import.meta.url))
  await lake.objects.put(lake.bucket, checkpointKeys(lake, 2)[0] ?? '', file)
  const state = await present(lake)
  assert.equal(state.version, 2)
  assert.deepEqual(
    [...state.files.values()].map(({ path, deletionVector, tags }) => [path, deletionVector?.cardinality, tags]),
    [
      ['part-1.parquet', 2, undefined],
      ['part-2.parquet', undefined, { a: 'b' }],
    ],
  )
  assert.deepEqual([...state.tombstones.keys()], ['part-1.parquet'])
  assert.deepEqual(state.txns.get('table/1')?.version, 2 ** 40)
  assert.equal(state.metadata.configuration['delta.enableChangeDataFeed'], 'true')
})
