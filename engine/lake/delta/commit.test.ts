import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { after, before, test } from 'node:test'
import { isBlastyError } from '../../../base/errors.ts'
import type { Action } from './actions.ts'
import { writeCheckpoint } from './checkpoint.ts'
import { cleanLog } from './clean-up.ts'
import { type CommitResult, commit } from './commit.ts'
import { readCommit } from './history.ts'
import { commitKey, type DeltaLake } from './lake.ts'
import { readState } from './state.ts'
import {
  anotherLake,
  attempt,
  committed,
  creation,
  faultyStore,
  fileAdded,
  fileRemoved,
  type StoreFault,
  type TestLake,
  testLake,
  timeOfVersion,
} from './testing.ts'

let own: TestLake
before(async () => {
  own = await testLake()
})
after(() => own.close())

const txn = (version: number): Action => ({ txn: { appId: 'table/1', version } })
const faults: readonly StoreFault[] = ['unsent', 'unanswered', 'late']

test('a commit tells who made it and when, and is the newest version', async () => {
  const lake = anotherLake(own.lake)
  await committed(lake, 0, ...creation())
  const options = { commitId: 'mine', timestamp: timeOfVersion(1), operation: 'MERGE' }
  assert.deepEqual(await commit(lake, 1, [txn(5)], options), { kind: 'committed' })
  const { timestamp, operation } = options
  assert.deepEqual(await readCommit(lake, 1), [
    { commitInfo: { timestamp, operation, engineInfo: 'blasty', txnId: 'mine' } },
    txn(5),
  ])
  const state = await readState(lake)
  assert.equal(state?.version, 1)
  assert.equal(state.timestamp, timestamp)
  assert.equal(state.txns.get('table/1')?.version, 5)
})

test('of two writers that race for a version one wins, and the other is given what the winner did', async () => {
  const lake = anotherLake(own.lake)
  await committed(lake, 0, ...creation())
  for (let version = 1; version <= 10; version++) {
    const results = await Promise.all([attempt(lake, version, txn(1)), attempt(lake, version, txn(2))])
    const winner = results.findIndex(({ kind }) => kind === 'committed')
    const loser = results[1 - winner]
    assert.equal(loser?.kind, 'taken')
    assert.deepEqual(loser.actions.at(-1), txn(winner + 1))
    assert.deepEqual((await readCommit(lake, version))?.at(-1), txn(winner + 1))
  }
})

test('the same call again after it has succeeded is answered as before', async () => {
  const lake = anotherLake(own.lake)
  const options = { commitId: randomUUID(), timestamp: timeOfVersion(0) }
  for (const _ of [1, 2]) assert.deepEqual(await commit(lake, 0, creation(), options), { kind: 'committed' })
})

/** Commits until it is told an outcome, as a writer does. */
async function insist(lake: DeltaLake, version: number, action: Action): Promise<CommitResult> {
  const options = { commitId: randomUUID(), timestamp: timeOfVersion(version) }
  for (let tries = 0; ; tries++) {
    try {
      return await commit(lake, version, [action], options)
    } catch (error) {
      if (tries === 3) throw error
    }
  }
}

for (const fault of faults) {
  test(`whichever request fails (${fault}), a version has one content, and who is told it is committed has it`, async () => {
    let total = 1
    for (let at = 1; at <= total; at++) {
      const lake = anotherLake(own.lake)
      await committed(lake, 0, ...creation())
      const faulty = faultyStore(lake.objects, at, fault)
      const mine = await insist({ ...lake, objects: faulty.objects }, 1, txn(1))
      total = faulty.requests()
      const content = await readCommit(lake, 1)
      const other = await insist(lake, 1, txn(2))
      await faulty.release()
      assert.deepEqual(await readCommit(lake, 1), content)
      assert.equal(mine.kind, 'committed')
      assert.deepEqual(content?.at(-1), txn(1))
      assert.equal(other.kind, 'taken')
    }
    assert.ok(total >= 2)
  })

  test(`a writer whose request fails (${fault}) and that gives way to another does not overwrite it`, async () => {
    const lake = anotherLake(own.lake)
    await committed(lake, 0, ...creation())
    const faulty = faultyStore(lake.objects, 1, fault)
    const mine = { commitId: randomUUID(), timestamp: timeOfVersion(1) }
    const first = await commit({ ...lake, objects: faulty.objects }, 1, [txn(1)], mine).catch(() => undefined)
    const second = await insist(lake, 1, txn(2))
    await faulty.release()
    const again = await commit(lake, 1, [txn(1)], mine)
    assert.notEqual(again.kind, second.kind)
    if (first !== undefined) assert.equal(again.kind, first.kind)
    assert.deepEqual((await readCommit(lake, 1))?.at(-1), txn(again.kind === 'committed' ? 1 : 2))
  })
}

test('a writer that slept until its version was cleaned up is refused, however often it tries', async () => {
  const lake = anotherLake(own.lake)
  await committed(lake, 0, ...creation())
  for (let version = 1; version <= 4; version++) await committed(lake, version, txn(version))
  const state = await readState(lake, 3)
  assert.ok(state)
  await writeCheckpoint(lake, state, tmpdir())
  assert.equal(await cleanLog(lake, state, { olderThan: timeOfVersion(3) }), 3)
  for (const _ of [1, 2]) {
    for (const version of [1, 2]) {
      await assert.rejects(insist(lake, version, txn(9)), error => isBlastyError(error, 'LAKE_VERSION_EXPIRED'))
    }
  }
  assert.equal((await attempt(lake, 4, txn(9))).kind, 'taken')
  await committed(lake, 5, txn(5))
  assert.equal((await readState(lake))?.txns.get('table/1')?.version, 5)
  // What they put is taken away again.
  assert.equal(await cleanLog(lake, state, { olderThan: timeOfVersion(3) }), undefined)
  assert.equal(await readCommit(lake, 2), undefined)
})

test('a commit after versions that are not there is refused: it would be a lake without a beginning', async () => {
  const lake = anotherLake(own.lake)
  await assert.rejects(attempt(lake, 3, txn(1)), error => isBlastyError(error, 'LAKE_CORRUPT'))
})

test('a commit that adds or removes a file twice is refused before anything is put', async () => {
  const lake = anotherLake(own.lake)
  const add: Action = { add: fileAdded('part-1.parquet') }
  await assert.rejects(attempt(lake, 0, ...creation(), add, add), RangeError)
  const remove: Action = { remove: fileRemoved(fileAdded('part-1.parquet')) }
  await assert.rejects(attempt(lake, 0, ...creation(), remove, remove), RangeError)
  assert.equal(await readCommit(lake, 0), undefined)
})

test('what another engine committed without an id is taken, also when it is torn, then with an error', async () => {
  const lake = anotherLake(own.lake)
  await committed(lake, 0, ...creation())
  const put = (version: number, text: string) =>
    lake.objects.put(lake.bucket, commitKey(lake, version), Buffer.from(text))
  await put(1, JSON.stringify(txn(7)))
  assert.deepEqual(await attempt(lake, 1), { kind: 'taken', actions: [txn(7)] })
  await put(2, '{"commitInfo":{')
  await assert.rejects(attempt(lake, 2), error => isBlastyError(error, 'LAKE_CORRUPT'))
})
