import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { testStack } from '../../devstack/testing.ts'
import { connectStreams, type Streams } from '../streams/connect.ts'
import { claimingStore } from './claiming-store.ts'
import { natsClaims, type StoreClaims } from './claims.ts'
import { type ObjectStore, objectStore } from './store.ts'
import { type OverwritingProxy, overwritingProxy } from './testing-overwriting.ts'

let proxy: OverwritingProxy
let plain: ObjectStore
let streams: Streams
const name = `claims_${randomUUID()}`
const bucket = `test-${randomUUID()}`
before(async () => {
  const stack = await testStack('objectStore', 'nats')
  const store = { ...stack.objectStore, pathStyle: true }
  proxy = await overwritingProxy(store)
  plain = objectStore({ ...store, endpoint: proxy.endpoint })
  streams = await connectStreams({ servers: stack.nats.servers, ...stack.nats.users.operator, name: 'test' })
  await plain.makeBucket(bucket)
})
after(async () => {
  await plain.remove(bucket, await Array.fromAsync(plain.list(bucket, ''), ({ key }) => key))
  await plain.removeBucket(bucket)
  await streams.admin.streams.delete(`KV_${name}`)
  await streams.close()
  await proxy[Symbol.asyncDispose]()
})

const claims = (): StoreClaims => natsClaims(streams, name, 1)
const once = { ifAbsent: true }
const held = async (key: string) => (await plain.get(bucket, key))?.toString()
const bytes = (text: string) => Buffer.from(text)

test('the store of these tests overwrites what it was asked not to', async () => {
  assert.equal(await plain.put(bucket, 'plain', bytes('1'), once), true)
  assert.equal(await plain.put(bucket, 'plain', bytes('2'), once), true)
  assert.equal(await held('plain'), '2')
  assert.equal(proxy.overwrites(), 2)
})

test('of documents that are put once the first stays, also in a race', async () => {
  const store = claimingStore(plain, claims())
  assert.equal(await store.put(bucket, 'a', bytes('first'), once), true)
  assert.equal(await store.put(bucket, 'a', bytes('second'), once), false)
  assert.equal(await held('a'), 'first')
  await store.put(bucket, 'a', bytes('changed'))
  assert.equal(await store.put(bucket, 'a', bytes('first'), once), false)
  assert.equal(await held('a'), 'changed')
  for (let round = 0; round < 5; round++) {
    const key = `race ${round}`
    const texts = ['x', 'y', 'z']
    const won = await Promise.all(texts.map(text => claimingStore(plain, claims()).put(bucket, key, bytes(text), once)))
    const winners = texts.filter((_, index) => won[index])
    assert.deepEqual(winners, [await held(key)])
  }
})

test('what was there before there were claims stays', async () => {
  await plain.put(bucket, 'early', bytes('early'))
  assert.equal(await claimingStore(plain, claims()).put(bucket, 'early', bytes('late'), once), false)
  assert.equal(await held('early'), 'early')
})

test('a document whose writer died behind its claim is put by the next, as it was claimed', async () => {
  const dying = { ...plain, put: () => Promise.reject(new Error('the process is gone')) }
  await assert.rejects(claimingStore(dying, claims()).put(bucket, 'b', bytes('claimed'), once), /the process is gone/)
  assert.equal(await held('b'), undefined)
  const store = claimingStore(plain, claims())
  assert.equal(await store.put(bucket, 'b', bytes('other'), once), false)
  assert.equal(await held('b'), 'claimed')
  // The writer itself, who did not hear that it was done.
  assert.equal(await store.put(bucket, 'b', bytes('claimed'), once), false)
})

test('requests that end with a signal claim all the same', async () => {
  const store = claimingStore(plain, claims()).until(new AbortController().signal)
  assert.equal(await store.put(bucket, 'd', bytes('first'), once), true)
  assert.equal(await store.put(bucket, 'd', bytes('second'), once), false)
  assert.equal(await held('d'), 'first')
})

test('a bucket that goes takes its claims with it, and no other’s', async () => {
  const store = claimingStore(plain, claims())
  await store.put(bucket, 'c', bytes('before'), once)
  await store.claims?.versions(bucket).claim(1, 'a')
  await store.claims?.versions(`${bucket}-2`).claim(1, 'a')
  await plain.remove(bucket, ['c'])
  await store.claims?.forget(bucket)
  assert.equal(await store.put(bucket, 'c', bytes('after'), once), true)
  assert.equal(await store.claims?.versions(bucket).claim(1, 'b'), 'ours')
  assert.deepEqual(await store.claims?.versions(`${bucket}-2`).claim(1, 'b'), { hash: 'a' })
  await store.claims?.versions(`${bucket}-2`).forgetAll()
  assert.equal(await store.claims?.versions(`${bucket}-2`).claim(1, 'c'), 'ours')
})
