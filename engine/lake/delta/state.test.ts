import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isBlastyError } from '../../../base/errors.ts'
import { packVectors } from './deletion-vector.ts'
import { commitsBetween } from './history.ts'
import { checkpointKeys, commitKey, type DeltaLake, lastCheckpointKey } from './lake.ts'
import { advance, readState } from './state.ts'
import {
  anotherLake,
  committed,
  faultyStore,
  fileAdded,
  fileRemoved,
  grown,
  names,
  present,
  type TestLake,
  testLake,
  timeOfVersion,
} from './testing.ts'

let own: TestLake
before(async () => {
  own = await testLake()
})
after(() => own.close())

const put = (lake: DeltaLake, key: string, text: string) => lake.objects.put(lake.bucket, key, Buffer.from(text))

test('where there is no table there is no state', async () => {
  assert.equal(await readState(anotherLake(own.lake)), undefined)
})

test('the newest state and that of every version are read, with and without checkpoints', async () => {
  for (const checkpoints of [[], [3], [3, 6]]) {
    const lake = await grown(own.lake, 7, checkpoints)
    assert.deepEqual((await present(lake)).version, 7)
    for (let version = 0; version <= 7; version++) {
      const state = await present(lake, version)
      assert.equal(state.version, version)
      assert.equal(state.timestamp, timeOfVersion(version))
      assert.deepEqual([...state.files.keys()].sort(), names(version))
    }
    await assert.rejects(readState(lake, 8), error => isBlastyError(error, 'INVALID_ARGUMENT'))
  }
})

test('a _last_checkpoint that is missing, torn, of another kind, too old, too new or not there breaks nothing', async () => {
  const lake = await grown(own.lake, 7, [3, 6])
  const expected = await present(lake)
  const hints = [
    '{"version":',
    '[]',
    '7',
    'null',
    '{"version":"6"}',
    '{"version":3}',
    '{"version":5}',
    '{"version":99}',
  ]
  for (const hint of [...hints, '{"version":-1}', '{"version":1e300}', '']) {
    await put(lake, lastCheckpointKey(lake), hint)
    assert.deepEqual(await present(lake), expected, hint)
    assert.equal((await present(lake, 4)).version, 4)
  }
  await lake.objects.remove(lake.bucket, [lastCheckpointKey(lake)])
  assert.deepEqual(await present(lake), expected)
})

test('a checkpoint that is damaged is not needed while the commits are there, and an error when they are not', async () => {
  const lake = await grown(own.lake, 7, [3, 6])
  const expected = await present(lake)
  await put(lake, checkpointKeys(lake, 6)[0] ?? '', 'PAR1 no more')
  assert.deepEqual(await present(lake), expected)
  await put(lake, checkpointKeys(lake, 3)[0] ?? '', '')
  assert.deepEqual(await present(lake), expected)
  await lake.objects.remove(lake.bucket, [commitKey(lake, 0)])
  await assert.rejects(
    readState(lake),
    error => isBlastyError(error, 'LAKE_CORRUPT') && /checkpoint 3/.test(error.message),
  )
})

test('a version in between that is missing or torn is an error that names it, and never passed over', async () => {
  const lake = await grown(own.lake, 7, [3])
  const state = await present(lake, 4)
  await lake.objects.remove(lake.bucket, [commitKey(lake, 5)])
  const corrupt = (error: unknown) => isBlastyError(error, 'LAKE_CORRUPT') && /version 5/.test(error.message)
  await assert.rejects(readState(lake), corrupt)
  await assert.rejects(advance(lake, state), corrupt)
  await assert.rejects(Array.fromAsync(commitsBetween(lake, 1, 7)), corrupt)
  for (const torn of ['', '\n', '{"add":']) {
    await put(lake, commitKey(lake, 5), torn)
    await assert.rejects(readState(lake), corrupt)
    await assert.rejects(advance(lake, state), corrupt)
  }
  assert.deepEqual((await present(lake, 4)).files, state.files)
})

test('versions below the oldest checkpoint whose commits are gone are expired, and the oldest one is named', async () => {
  const lake = await grown(own.lake, 7, [3, 6])
  await lake.objects.remove(
    lake.bucket,
    [0, 1, 2].map(version => commitKey(lake, version)),
  )
  const expired = (error: unknown) => isBlastyError(error, 'LAKE_VERSION_EXPIRED') && error.details.oldest === 3
  await assert.rejects(readState(lake, 2), expired)
  await assert.rejects(Array.fromAsync(commitsBetween(lake, 2, 4)), expired)
  assert.equal((await present(lake, 3)).timestamp, timeOfVersion(3))
  assert.equal((await present(lake)).files.size, 7)
})

test('a file that gets another deletion vector is one file, and each state that it had leaves a tombstone', async () => {
  const lake = await grown(own.lake, 1)
  const path = 'part-1.parquet'
  const plain = fileAdded(path)
  const vectors = [[1], [1, 2]].map(rows => packVectors(new Map([[path, rows]])).descriptors.get(path))
  const [once, twice] = vectors.map(vector => fileAdded(path, vector))
  assert.ok(once && twice)
  // The add stands before the remove in one of them: the actions of a commit have no order.
  await committed(lake, 2, { remove: fileRemoved(plain) }, { add: once })
  await committed(lake, 3, { add: twice }, { remove: fileRemoved(once) })
  const state = await present(lake)
  assert.deepEqual([...state.files.values()], [{ ...twice, dataChange: false }])
  assert.equal(state.tombstones.size, 2)
  // What is removed is the file with a vector, not the path.
  await committed(lake, 4, { remove: fileRemoved(once) })
  assert.deepEqual((await present(lake)).files, state.files)
  await committed(lake, 5, { remove: fileRemoved(twice) })
  assert.deepEqual([...(await present(lake)).files.keys()], [])
  assert.equal((await present(lake)).tombstones.size, 3)
})

test('a table that another engine switched a feature on for is refused from then on, and read as it was before', async () => {
  const lake = await grown(own.lake, 1)
  const protocol = {
    minReaderVersion: 3,
    minWriterVersion: 7,
    readerFeatures: ['deletionVectors', 'columnMapping'],
    writerFeatures: ['deletionVectors', 'changeDataFeed', 'columnMapping'],
  }
  await committed(lake, 2, { protocol })
  const refused = (error: unknown) => isBlastyError(error, 'LAKE_UNSUPPORTED') && /columnMapping/.test(error.message)
  await assert.rejects(readState(lake), refused)
  assert.equal((await present(lake, 1)).version, 1)
  await assert.rejects(advance(lake, await present(lake, 1)), refused)
})

test('a store that does not answer is that, and not a lake that is corrupt or absent', async () => {
  const lake = await grown(own.lake, 7, [3])
  const state = await present(lake, 5)
  for (const act of [(faulty: DeltaLake) => readState(faulty), (faulty: DeltaLake) => advance(faulty, state)]) {
    let total = 1
    for (let at = 1; at <= total; at++) {
      const faulty = faultyStore(lake.objects, at, 'unsent')
      await assert.rejects(act({ ...lake, objects: faulty.objects }), /the network is gone/)
      total = Math.max(faulty.requests(), at === total ? at : at + 1)
    }
  }
})
