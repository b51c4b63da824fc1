import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createNamespace, testStack } from '../devstack/testing.ts'
import { applyObject } from './apply.ts'
import type { KubeClient } from './client.ts'
import { isConflict, KubeError } from './kube-error.ts'
import { clientFor, configMaps } from './testing/widgets.ts'

describe('two managers of one object', { timeout: 60_000 }, () => {
  let client: KubeClient
  let namespace: string
  const limits = (data: Record<string, string>) => ({ metadata: { name: 'limits', namespace }, data })
  const apply = (fieldManager: string, data: Record<string, string>, live?: Awaited<ReturnType<typeof applied>>) =>
    applyObject(client, configMaps, limits(data), live, { fieldManager })
  const applied = (data: Record<string, string>) =>
    applyObject(client, configMaps, limits(data), undefined, { fieldManager: 'them' })

  before(async () => {
    const { kubernetes } = await testStack('kubernetes')
    client = clientFor(kubernetes)
    namespace = await createNamespace(kubernetes)
  })
  after(() => client.close())

  it('learn which fields the other holds, and take them only when told to', async () => {
    const theirs = await applied({ size: '1' })
    await assert.rejects(apply('us', { size: '2' }, theirs), error => {
      assert.ok(error instanceof KubeError && isConflict(error))
      assert.deepEqual(error.conflicts, [{ field: '.data.size', manager: 'them' }])
      return true
    })
    const force = { fieldManager: 'us', force: true }
    const ours = await applyObject(client, configMaps, limits({ size: '2' }), theirs, force)
    assert.deepEqual(ours.data, { size: '2' })
  })

  it('each keep their own, ask nothing when nothing would change, and drop what they no longer want', async () => {
    const first = await apply('me', { mine: 'a', old: 'b' })
    assert.equal(await apply('me', { mine: 'a', old: 'b' }, first), first)
    const second = await apply('me', { mine: 'a' }, first)
    assert.equal(second.data?.old, undefined)
    assert.equal(second.data?.mine, 'a')
    assert.ok(second.data?.size !== undefined)
  })
})
