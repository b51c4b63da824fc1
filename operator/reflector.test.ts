import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createNamespace, testStack } from '../devstack/testing.ts'
import { Cache } from './cache.ts'
import type { KubeClient } from './client.ts'
import { systemClock } from './clock.ts'
import { keyFor } from './kind.ts'
import { KubeError } from './kube-error.ts'
import { Reflector } from './reflector.ts'
import { type FaultProxy, startFaultProxy } from './testing/fault-proxy.ts'
import { clientFor, deleteAll, eventually, gadgets, installWidgets, type Widget, widget } from './testing/widgets.ts'

/** Watches through a proxy, with patience measured in milliseconds. */
async function watchThrough(proxy: FaultProxy, token: string, options: { pageSize?: number; silenceMs?: number } = {}) {
  const errors: KubeError[] = []
  const heard: string[] = []
  const stop = new AbortController()
  const client = clientFor({ server: proxy.url, token })
  const cache = new Cache<Widget>(gadgets, error => {
    throw error
  })
  cache.subscribe(({ type, object }) => heard.push(`${type} ${object.metadata.name}`))
  const reflector = new Reflector({
    client,
    cache,
    clock: systemClock,
    random: Math.random,
    backoff: { baseMs: 10, maxMs: 50 },
    onError: error => {
      assert.ok(error instanceof KubeError)
      errors.push(error)
    },
    ...options,
  })
  const running = reflector.run(stop.signal)
  await cache.whenSynced()
  await eventually('the watch is open', () => proxy.watches === 1)
  return {
    cache,
    heard,
    errors,
    reflector,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
      await client.close()
    },
  }
}

describe('watching a real API server through a bad network', { timeout: 120_000 }, () => {
  let admin: KubeClient
  let token: string
  let proxy: FaultProxy
  let namespace: string
  const has = (cache: Cache<Widget>, name: string) => cache.get(keyFor(name, namespace)) !== undefined
  const create = (name: string) => admin.create(gadgets, widget(namespace, name), namespace)

  before(async () => {
    const { kubernetes } = await testStack('kubernetes')
    token = kubernetes.token
    admin = clientFor(kubernetes)
    await installWidgets(admin, gadgets)
    await deleteAll(admin, gadgets)
    namespace = await createNamespace(kubernetes)
    proxy = await startFaultProxy(kubernetes)
  })
  after(async () => {
    await proxy.close()
    await admin.close()
  })

  it('a watch that is cut goes on where it was, without a new list', async () => {
    await using watched = await watchThrough(proxy, token)
    proxy.seen()
    proxy.cutWatches()
    await create('after-cut')
    await eventually('the object is seen', () => has(watched.cache, 'after-cut'))
    assert.ok(watched.errors.length > 0)
    assert.deepEqual([...new Set(proxy.seen())], ['watch gadgets'])
    assert.equal(watched.reflector.lastError, undefined)
  })

  it('a connection that went silent is given up', async () => {
    await using watched = await watchThrough(proxy, token, { silenceMs: 300 })
    proxy.freezeWatches()
    await create('after-silence')
    await eventually('the object is seen', () => has(watched.cache, 'after-silence'))
    assert.ok(watched.errors.some(error => error.reason === 'Timeout'))
  })

  it('a version that the server no longer holds leads to a list that notices deletions', async () => {
    await create('doomed')
    await using watched = await watchThrough(proxy, token)
    proxy.freezeWatches()
    await admin.delete(gadgets, keyFor('doomed', namespace))
    proxy.inject(JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } }))
    await eventually('the deletion is seen', () => watched.heard.includes('Deleted doomed'))
    assert.deepEqual(
      watched.errors.map(error => error.status),
      [410],
    )
  })

  it('an event that cannot be read is no event passed over', async () => {
    await using watched = await watchThrough(proxy, token)
    proxy.freezeWatches()
    await create('behind-garbage')
    proxy.inject('{"type":"MODIFIED","object":{"metadata":{}}}')
    await eventually('the object is seen', () => has(watched.cache, 'behind-garbage'))
    assert.deepEqual(
      watched.errors.map(error => error.reason),
      ['Malformed'],
    )
  })

  it('an ended watch is a new watch', async () => {
    await using watched = await watchThrough(proxy, token)
    for (const body of [{ status: 503 }, { status: 429 }, { status: 0 }]) {
      proxy.answerNext(url => url.searchParams.has('watch'), body.status)
    }
    proxy.cutWatches()
    await create('after-refusals')
    await eventually('the object is seen', () => has(watched.cache, 'after-refusals'))
    assert.deepEqual(
      watched.errors.slice(1).map(error => error.status),
      [503, 429, 0],
    )
  })

  it('a list is read in pages, and again in one piece when it expired between two', async () => {
    for (const name of ['page-1', 'page-2', 'page-3']) await create(name)
    proxy.seen()
    proxy.answerNext(url => url.searchParams.has('continue'), 410, { reason: 'Expired' })
    await using watched = await watchThrough(proxy, token, { pageSize: 2 })
    assert.ok(['page-1', 'page-2', 'page-3'].every(name => has(watched.cache, name)))
    assert.deepEqual(proxy.seen(), ['get gadgets', 'get gadgets', 'get gadgets', 'watch gadgets'])
    assert.deepEqual(
      watched.errors.map(error => error.status),
      [410],
    )
  })

  it('what was known stays known while lists fail', async () => {
    await create('stays')
    await using watched = await watchThrough(proxy, token)
    watched.heard.length = 0
    for (let n = 0; n < 3; n++)
      proxy.answerNext(url => !url.searchParams.has('watch'), 500, { reason: 'InternalError' })
    proxy.inject(JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } }))
    await eventually('three lists failed', () => watched.errors.length === 4)
    assert.ok(has(watched.cache, 'stays'))
    await eventually('the watch is open again', () => proxy.watches === 1)
    assert.deepEqual(watched.heard, [])
  })
})
