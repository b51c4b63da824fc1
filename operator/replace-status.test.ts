import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createNamespace, testStack, uniqueName } from '../devstack/testing.ts'
import type { KubeClient } from './client.ts'
import { keyOf } from './kind.ts'
import { isConflict, isNotFound } from './kube-error.ts'
import { replaceStatus } from './replace-status.ts'
import { clientFor, gadgets, installWidgets, type Widget } from './testing/widgets.ts'

describe('the status of an object on a real API server', { timeout: 60_000 }, () => {
  let client: KubeClient
  let namespace: string
  const asked: string[] = []
  const make = (name = uniqueName()) =>
    client.create(gadgets, { metadata: { name, namespace }, spec: { size: 1 } }, namespace)
  const write = (live: Widget, status: object) => replaceStatus(client, gadgets, live, status, 'us')
  const others = (object: Widget, patch: object, subresource?: 'status') =>
    client.patch(gadgets, keyOf(object), patch, { type: 'merge', ...(subresource && { subresource }) })

  before(async () => {
    const { kubernetes } = await testStack('kubernetes')
    client = clientFor(kubernetes, { onRequest: verb => asked.push(verb) })
    await installWidgets(client, gadgets)
    namespace = await createNamespace(kubernetes)
  })
  after(() => client.close())

  it('is written whole, and not at all when it says nothing new', async () => {
    const first = await write(await make(), { size: 1, observedGeneration: 1, note: undefined })
    assert.deepEqual(first.status, { size: 1, observedGeneration: 1 })
    asked.length = 0
    assert.equal(await write(first, { observedGeneration: 1, size: 1, note: undefined }), first)
    assert.deepEqual(asked, [])
    assert.deepEqual((await write(first, { size: 2 })).status, { size: 2 })
  })

  it('undoes nothing that another changed meanwhile, save in the status', async () => {
    const old = await make()
    await others(old, { metadata: { labels: { app: 'x' } }, spec: { size: 5 } })
    await others(old, { status: { size: 77 } }, 'status')
    const told = await write(old, { observedGeneration: 1 })
    assert.deepEqual(told.status, { observedGeneration: 1 })
    assert.deepEqual([told.spec.size, told.metadata.labels], [5, { app: 'x' }])
    assert.ok(
      told.metadata.managedFields?.some(({ manager, subresource }) => manager === 'us' && subresource === 'status'),
    )
  })

  it('is not given to another object of the same name, nor to none', async () => {
    const old = await make()
    await client.delete(gadgets, keyOf(old))
    await assert.rejects(write(old, { size: 1 }), isNotFound)
    const anew = await make(old.metadata.name)
    await assert.rejects(write(old, { size: 1 }), isConflict)
    assert.equal((await client.get(gadgets, keyOf(anew))).status?.size, undefined)
  })
})
