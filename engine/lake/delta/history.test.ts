import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isBlastyError } from '../../../base/errors.ts'
import { cleanLog } from './clean-up.ts'
import { commitsBetween } from './history.ts'
import { commitKey, type DeltaLake, lastCheckpointKey } from './lake.ts'
import { advance, readState } from './state.ts'
import {
  added,
  anotherLake,
  committed,
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

test('history is read in order and whole, and not beyond the newest version', async () => {
  const lake = await grown(own.lake, 25)
  const commits = await Array.fromAsync(commitsBetween(lake, 2, 25))
  assert.deepEqual(
    commits.map(({ version, actions }) => [version, actions.at(-1)]),
    Array.from({ length: 24 }, (_, index) => [index + 2, added(index + 2)]),
  )
  assert.deepEqual(await Array.fromAsync(commitsBetween(lake, 3, 2)), [])
  await assert.rejects(Array.fromAsync(commitsBetween(lake, 25, 26)), error => isBlastyError(error, 'INVALID_ARGUMENT'))
})

test('a state is brought forward by what came since, and is the same object when nothing did', async () => {
  const lake = await grown(own.lake, 3)
  const state = await present(lake)
  assert.equal(await advance(lake, state), state)
  for (const version of [4, 5]) await committed(lake, version, added(version))
  const next = await advance(lake, state)
  assert.deepEqual([...next.files.keys()].sort(), names(5))
  assert.deepEqual([...state.files.keys()].sort(), names(3))
  assert.deepEqual(next, await present(lake))
})

test('a state so old that the commits after it are gone is brought forward by a checkpoint', async () => {
  const lake = await grown(own.lake, 7, [6])
  const state = await present(lake, 2)
  await lake.objects.remove(
    lake.bucket,
    [0, 1, 2, 3, 4].map(version => commitKey(lake, version)),
  )
  assert.deepEqual(await advance(lake, state), await present(lake))
})

test('a reader that is overtaken by a clean-up begins anew and reads what is kept', async () => {
  const lake = await grown(own.lake, 7, [3, 6])
  const expected = await present(lake)
  await put(lake, lastCheckpointKey(lake), '{"version":3}')
  const old = await present(lake, 4)
  for (const read of [
    (lake: DeltaLake) => readState(lake, 5),
    (lake: DeltaLake) => readState(lake),
    (lake: DeltaLake) => advance(lake, old),
  ]) {
    const copy = anotherLake(lake)
    for await (const { key } of lake.objects.list(lake.bucket, `${lake.root}/`)) {
      await lake.objects.copy(lake.bucket, key, key.replace(lake.root, copy.root))
    }
    let cleaned = false
    const list: DeltaLake['objects']['list'] = async function* (...args) {
      const found = await Array.fromAsync(lake.objects.list(...args))
      if (!cleaned) await cleanLog(copy, expected, { olderThan: timeOfVersion(6) })
      cleaned = true
      yield* found
    }
    const overtaken = await read({ ...copy, objects: { ...lake.objects, list } }).catch(error => error)
    if (isBlastyError(overtaken)) assert.equal(overtaken.code, 'LAKE_VERSION_EXPIRED')
    else assert.deepEqual(overtaken, expected)
    assert.ok(cleaned)
  }
})

test('times rise with the versions whatever the clocks of writers show', async () => {
  const lake = await grown(own.lake, 1)
  for (const [version, timestamp] of [5, 5, Number.MAX_SAFE_INTEGER - 10, 7].entries()) {
    await put(lake, commitKey(lake, version + 2), JSON.stringify({ commitInfo: { timestamp } }))
  }
  await put(lake, commitKey(lake, 6), '{"txn":{"appId":"a","version":1}}')
  const times = await Promise.all([1, 2, 3, 4, 5, 6].map(async version => (await present(lake, version)).timestamp))
  assert.ok(
    times.every((time, index) => index === 0 || time > (times[index - 1] ?? time)),
    times.join(),
  )
})
