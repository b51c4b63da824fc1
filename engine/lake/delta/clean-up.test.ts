import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isBlastyError } from '../../../base/errors.ts'
import { temporaryFolder } from '../../testing.ts'
import type { Action, AddFile } from './actions.ts'
import { lastCheckpoint, writeCheckpoint } from './checkpoint.ts'
import { cleanLog, type VacuumOptions, vacuum } from './clean-up.ts'
import { packVectors } from './deletion-vector.ts'
import { checkpointKeys, commitKey, type DeltaLake, lastCheckpointKey, listLog } from './lake.ts'
import { type LakeState, readState } from './state.ts'
import {
  anotherLake,
  committed,
  creation,
  faultyStore,
  fileAdded,
  fileRemoved,
  filled,
  present,
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

const checkpoint = async (lake: DeltaLake, version: number) =>
  writeCheckpoint(lake, await present(lake, version), scratch.path)

const put = (lake: DeltaLake, path: string) => lake.objects.put(lake.bucket, `${lake.root}/${path}`, Buffer.from('x'))

const paths = async (lake: DeltaLake) =>
  (
    await Array.fromAsync(lake.objects.list(lake.bucket, `${lake.root}/`), ({ key }) => key.slice(lake.root.length + 1))
  ).filter(path => !/^_delta_log|^_blasty/.test(path))

/** No grace: all that is there is old. The store and this machine have one clock here. */
const everything = (): VacuumOptions => ({ olderThan: Date.now() + 60_000, leastAgeMillis: -60_000, keep: () => false })

const named = (from: number, to: number, change: number) => [
  ...Array.from({ length: to - change + 1 }, (_, index) => `_change_data/cdc-${index + change}.parquet`),
  ...Array.from({ length: to - from + 1 }, (_, index) => `part-${index + from}.parquet`),
]

test('the log begins with the newest checkpoint that is old enough, and all versions from there on are still read', async () => {
  const lake = await filled(own.lake)
  const states = await Promise.all([3, 4, 5, 6, 7].map(version => present(lake, version)))
  const state = await present(lake)
  assert.equal(await cleanLog(lake, state, { olderThan: timeOfVersion(3) - 1 }), undefined)
  assert.equal((await listLog(lake)).commits.length, 8)
  assert.equal(await cleanLog(lake, state, { olderThan: timeOfVersion(6) - 1 }), 3)
  assert.deepEqual((await listLog(lake)).commits, [3, 4, 5, 6, 7])
  assert.deepEqual(await Promise.all([3, 4, 5, 6, 7].map(version => present(lake, version))), states)
  await assert.rejects(readState(lake, 2), error => isBlastyError(error, 'LAKE_VERSION_EXPIRED'))
  assert.equal(await cleanLog(lake, state, { olderThan: timeOfVersion(6) - 1 }), undefined)
  assert.equal(await cleanLog(lake, state, { olderThan: Number.MAX_SAFE_INTEGER }), 6)
  assert.deepEqual(await present(lake), state)
})

test('without a checkpoint, or with times that make no sense, nothing of the log is removed', async () => {
  const lake = anotherLake(own.lake)
  await committed(lake, 0, ...creation())
  await committed(lake, 1)
  const state = await present(lake)
  assert.equal(await cleanLog(lake, state, { olderThan: Number.MAX_SAFE_INTEGER }), undefined)
  const checkpointed = await filled(own.lake)
  assert.equal(await cleanLog(checkpointed, await present(checkpointed), { olderThan: Number.NaN }), undefined)
  assert.equal(await cleanLog(checkpointed, await present(checkpointed, 2), { olderThan: timeOfVersion(9) }), undefined)
  assert.equal((await listLog(checkpointed)).commits.length, 8)
})

test('a checkpoint that cannot be read never becomes the beginning of the log', async () => {
  const lake = await filled(own.lake)
  const state = await present(lake)
  await lake.objects.put(lake.bucket, checkpointKeys(lake, 6)[0] ?? '', Buffer.from('PAR1 no more'))
  await assert.rejects(cleanLog(lake, state, { olderThan: timeOfVersion(7) }), error =>
    isBlastyError(error, 'LAKE_CORRUPT'),
  )
  assert.equal((await listLog(lake)).commits.length, 8)
  assert.deepEqual(await present(lake), state)
})

test('readers are not sent to a checkpoint that is about to go', async () => {
  const lake = await filled(own.lake)
  await lake.objects.put(lake.bucket, lastCheckpointKey(lake), Buffer.from('{"version":3,"size":1}'))
  assert.equal(await cleanLog(lake, await present(lake), { olderThan: timeOfVersion(7) }), 6)
  assert.equal(await lastCheckpoint(lake), 6)
})

test('data, vectors and change files go when no kept version names them, and nothing else does', async () => {
  const lake = await filled(own.lake)
  const state = await present(lake)
  assert.deepEqual(await vacuum(lake, state, everything()), { objects: 0, bytes: 0 })
  await cleanLog(lake, state, { olderThan: timeOfVersion(5) })
  // Nobody's, by our names; then somebody else's, by theirs.
  for (const path of ['part-x.parquet', 'deletion_vector_x.bin', '_change_data/cdc-x.parquet']) await put(lake, path)
  const others = [
    '_change_data/x.parquet',
    '_delta_index/x',
    'notes.txt',
    'other/part-x.parquet',
    'part-x.parquet.crc',
    'x.parquet',
  ]
  for (const path of others) await put(lake, path)
  await lake.objects.put(lake.bucket, `${lake.root}-blobs/part-1.parquet`, Buffer.from('x'))
  assert.deepEqual(await vacuum(lake, state, { ...everything(), olderThan: Date.now() - 60_000 }), {
    objects: 0,
    bytes: 0,
  })
  assert.deepEqual(await vacuum(lake, state, { ...everything(), leastAgeMillis: 60_000 }), { objects: 0, bytes: 0 })
  const { leastAgeMillis: _, ...hour } = everything()
  assert.deepEqual(await vacuum(lake, state, hour), { objects: 0, bytes: 0 })
  const kept = await vacuum(lake, state, { ...everything(), keep: path => path.startsWith('part-') })
  // Change files of versions 1 and 2, the unnamed one, and the unnamed vector: version 3 begins the log with its commit.
  assert.deepEqual(kept, { objects: 4, bytes: 4 })
  assert.deepEqual(await vacuum(lake, state, everything()), { objects: 3, bytes: 3 })
  assert.deepEqual((await paths(lake)).sort(), [...named(3, 7, 3), ...others].sort())
  assert.ok(await lake.objects.head(lake.bucket, `${lake.root}-blobs/part-1.parquet`))
})

test('a file of vectors stays as long as one of its vectors is named by a kept version', async () => {
  const lake = anotherLake(own.lake)
  const [a, b] = [fileAdded('part-a.parquet'), fileAdded('part-b.parquet')]
  const packed = packVectors(
    new Map([
      [a.path, [1]],
      [b.path, [2]],
    ]),
  )
  const withVector = ({ path }: AddFile) => fileAdded(path, packed.descriptors.get(path))
  for (const path of [a.path, b.path, packed.path]) await put(lake, path)
  await committed(lake, 0, ...creation(), { add: a }, { add: b })
  await committed(
    lake,
    1,
    ...[a, b].flatMap((file): Action[] => [{ remove: fileRemoved(file) }, { add: withVector(file) }]),
  )
  await committed(lake, 2, { remove: fileRemoved(withVector(a)) })
  await checkpoint(lake, 2)
  await cleanLog(lake, await present(lake), { olderThan: timeOfVersion(2) })
  await vacuum(lake, await present(lake), everything())
  assert.deepEqual(await paths(lake), [packed.path, b.path])
  await committed(lake, 3, { remove: fileRemoved(withVector(b)) })
  await checkpoint(lake, 3)
  await cleanLog(lake, await present(lake), { olderThan: timeOfVersion(3) })
  await vacuum(lake, await present(lake), everything())
  assert.deepEqual(await paths(lake), [])
})

test('a file that another engine named with escapes is known by its key, and one named wrongly stops the removal', async () => {
  const lake = anotherLake(own.lake)
  await put(lake, 'part-ä 1.parquet')
  await committed(lake, 0, ...creation(), { add: fileAdded('part-%C3%A4%201.parquet') })
  assert.deepEqual(await vacuum(lake, await present(lake), everything()), { objects: 0, bytes: 0 })
  await committed(lake, 1, { add: fileAdded('part-%zz.parquet') })
  await assert.rejects(vacuum(lake, await present(lake), everything()), error => isBlastyError(error, 'LAKE_CORRUPT'))
  assert.deepEqual(await paths(lake), ['part-ä 1.parquet'])
})

test('with a log that has a hole or is shorter than it was, no data is removed', async () => {
  const lake = await filled(own.lake)
  const state = await present(lake)
  await put(lake, 'part-x.parquet')
  const corrupt = (error: unknown) => isBlastyError(error, 'LAKE_CORRUPT')
  await assert.rejects(vacuum(lake, { ...state, version: 8 }, everything()), corrupt)
  await lake.objects.remove(lake.bucket, [commitKey(lake, 5)])
  await assert.rejects(vacuum(lake, state, everything()), corrupt)
  assert.equal((await paths(lake)).length, 15)
})

test('a clean-up that breaks off behind any request hurts no kept version, and is ended by the next', async () => {
  const act = async (lake: DeltaLake, state: LakeState) => {
    await cleanLog(lake, state, { olderThan: timeOfVersion(4) })
    await vacuum(lake, state, everything())
  }
  let total = 1
  for (let at = 0; at <= total; at++) {
    const lake = await filled(own.lake, 4)
    const state = await present(lake)
    const faulty = faultyStore(lake.objects, at, 'unanswered')
    const failing = act({ ...lake, objects: faulty.objects }, state)
    if (at > 0) await assert.rejects(failing, /the network is gone/)
    await failing.catch(() => {})
    if (at === 0) total = faulty.requests()
    assert.deepEqual(await present(lake), state)
    assert.equal((await present(lake, 3)).version, 3)
    await act(lake, state)
    assert.deepEqual((await paths(lake)).sort(), named(3, 4, 3).sort())
    assert.deepEqual((await listLog(lake)).commits, [3, 4])
  }
  assert.ok(total > 10)
})
