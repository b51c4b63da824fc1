import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { after, before, test } from 'node:test'
import { type Claims, natsClaims } from '../../../backends/object-store/claims.ts'
import { connectStreams, type Streams } from '../../../backends/streams/connect.ts'
import { isBlastyError } from '../../../base/errors.ts'
import { testStack } from '../../../devstack/testing.ts'
import type { Action } from './actions.ts'
import { writeCheckpoint } from './checkpoint.ts'
import { cleanLog } from './clean-up.ts'
import { commit } from './commit.ts'
import { readCommit } from './history.ts'
import { type DeltaLake, stagedKey, stagedPrefix } from './lake.ts'
import { readState } from './state.ts'
import {
  anotherLake,
  attempt,
  committed,
  creation,
  faultyStore,
  overwritingStore,
  type StoreFault,
  type TestLake,
  testLake,
  timeOfVersion,
} from './testing.ts'

let own: TestLake
let streams: Streams
const buckets: string[] = []
before(async () => {
  own = await testLake()
  const { nats } = await testStack('nats')
  streams = await connectStreams({ servers: nats.servers, ...nats.users.operator, name: 'test' })
})
after(async () => {
  // Of some nothing was ever claimed, and then there is none.
  for (const name of buckets) await streams.admin.streams.delete(`KV_${name}`).catch(() => false)
  await streams.close()
  await own.close()
})

async function newClaims(): Promise<Claims> {
  const name = `claims_${randomUUID()}`
  buckets.push(name)
  return natsClaims(streams, name, 1).versions('films')
}

/** A lake on a store that overwrites. */
async function overwritten(): Promise<DeltaLake & { claims: Claims }> {
  const lake = { ...anotherLake(own.lake), objects: overwritingStore(own.lake.objects), claims: await newClaims() }
  await committed(lake, 0, ...creation())
  return lake
}

const txn = (version: number): Action => ({ txn: { appId: 'table/1', version } })
const staged = (lake: DeltaLake) => Array.fromAsync(lake.objects.list(lake.bucket, stagedPrefix(lake)))

test('a version is claimed by one content for ever, and again by the same', async () => {
  const claims = await newClaims()
  assert.equal(await claims.claim(7, 'a'), 'ours')
  assert.equal(await claims.claim(7, 'a'), 'ours')
  assert.deepEqual(await claims.claim(7, 'b'), { hash: 'a' })
  const race = await Promise.all(['c', 'd', 'e'].map(hash => claims.claim(8, hash)))
  assert.equal(race.filter(answer => answer === 'ours').length, 1)
})

test('claims of versions that are cleaned up are dropped, those of kept ones are not', async () => {
  const claims = await newClaims()
  for (const version of [1, 2, 3, 4]) await claims.claim(version, 'a')
  await claims.forget(99)
  await claims.forget(3)
  assert.equal(await claims.claim(2, 'b'), 'ours')
  assert.deepEqual(await claims.claim(3, 'b'), { hash: 'a' })
  assert.deepEqual(await claims.claim(4, 'b'), { hash: 'a' })
})

test('a server that is away leaves it open whose a version is', async () => {
  const { nats } = await testStack('nats')
  const away = await connectStreams({ servers: nats.servers, ...nats.users.operator, name: 'test' })
  const name = `claims_${randomUUID()}`
  buckets.push(name)
  const claims = natsClaims(away, name, 1).versions('films')
  await claims.claim(0, 'a')
  await away.close()
  await assert.rejects(claims.claim(1, 'a'), error => isBlastyError(error, 'BACKEND_UNAVAILABLE'))
})

test('on a store that overwrites, of writers that race one wins, and nothing staged is left', async () => {
  const lake = await overwritten()
  for (let version = 1; version <= 10; version++) {
    const results = await Promise.all([1, 2, 3].map(writer => attempt(lake, version, txn(writer))))
    const winners = results.flatMap(({ kind }, writer) => (kind === 'committed' ? [writer + 1] : []))
    const [winner = 0] = winners
    assert.equal(winners.length, 1)
    assert.deepEqual((await readCommit(lake, version))?.at(-1), txn(winner))
    for (const result of results) if (result.kind === 'taken') assert.deepEqual(result.actions.at(-1), txn(winner))
  }
  assert.deepEqual(await staged(lake), [])
})

test('a claimed commit whose writer died is finished by the next writer, with the content that was claimed', async () => {
  const lake = await overwritten()
  const dying: Claims = {
    ...lake.claims,
    claim: async (version, hash) => {
      await lake.claims.claim(version, hash)
      throw new Error('the process is gone')
    },
  }
  await assert.rejects(attempt({ ...lake, claims: dying }, 1, txn(1)), /the process is gone/)
  assert.equal(await readCommit(lake, 1), undefined)
  const next = await attempt(lake, 1, txn(2))
  assert.equal(next.kind, 'taken')
  assert.deepEqual(next.actions.at(-1), txn(1))
  assert.deepEqual((await readCommit(lake, 1))?.at(-1), txn(1))
})

test('a staged commit that is damaged is not made a version', async () => {
  const lake = await overwritten()
  const dying = faultyStore(lake.objects, 3, 'unsent')
  await assert.rejects(attempt({ ...lake, objects: dying.objects }, 1, txn(1)))
  const [left] = await staged(lake)
  assert.ok(left)
  await lake.objects.put(lake.bucket, left.key, Buffer.from('{"txn":{"appId":"x","version":1}}'))
  await assert.rejects(attempt(lake, 1, txn(2)), error => isBlastyError(error, 'LAKE_CORRUPT'))
  assert.equal(await readCommit(lake, 1), undefined)
})

test('a clean-up drops the claims of what it removes, and what was staged for it and never claimed', async () => {
  const lake = await overwritten()
  for (let version = 1; version <= 3; version++) await committed(lake, version, txn(version))
  await lake.objects.put(lake.bucket, stagedKey(lake, 1, 'a'.repeat(64)), Buffer.from('x'))
  await lake.objects.put(lake.bucket, stagedKey(lake, 4, 'b'.repeat(64)), Buffer.from('x'))
  const state = await readState(lake, 2)
  assert.ok(state)
  await writeCheckpoint(lake, state, tmpdir())
  assert.equal(await cleanLog(lake, state, { olderThan: timeOfVersion(2) }), 2)
  assert.deepEqual(
    (await staged(lake)).map(({ key }) => key),
    [stagedKey(lake, 4, 'b'.repeat(64))],
  )
  assert.equal(await lake.claims.claim(1, 'other'), 'ours')
  assert.notEqual(await lake.claims.claim(2, 'other'), 'ours')
  await assert.rejects(attempt(lake, 1, txn(9)), error => isBlastyError(error, 'LAKE_VERSION_EXPIRED'))
})

test('what was committed before there were claims stays as it is', async () => {
  const lake = { ...anotherLake(own.lake), objects: overwritingStore(own.lake.objects) }
  await committed(lake, 0, ...creation())
  await committed(lake, 1, txn(1))
  assert.equal((await attempt({ ...lake, claims: await newClaims() }, 1, txn(2))).kind, 'taken')
  assert.deepEqual((await readCommit(lake, 1))?.at(-1), txn(1))
})

for (const fault of ['unsent', 'unanswered', 'late'] satisfies StoreFault[]) {
  test(`with claims too, whichever request fails (${fault}), a version has one content`, async () => {
    let total = 1
    for (let at = 1; at <= total; at++) {
      const lake = await overwritten()
      const faulty = faultyStore(lake.objects, at, fault)
      const mine = { commitId: randomUUID(), timestamp: timeOfVersion(1) }
      const first = await commit({ ...lake, objects: faulty.objects }, 1, [txn(1)], mine).catch(() => undefined)
      total = Math.max(total, faulty.requests(), 4)
      const second = await attempt(lake, 1, txn(2))
      await faulty.release()
      const again = await commit(lake, 1, [txn(1)], mine)
      assert.notEqual(again.kind, second.kind, `request ${at}`)
      if (first !== undefined) assert.equal(again.kind, first.kind)
      assert.deepEqual((await readCommit(lake, 1))?.at(-1), txn(again.kind === 'committed' ? 1 : 2))
    }
  })
}
