/** Tables of a class whose object store overwrites what it was asked not to. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Kvm } from '@nats-io/kv'
import { claimsBucket } from '../../backends/object-store/claims.ts'
import { overwritingProxy } from '../../backends/object-store/testing-overwriting.ts'
import { testStack } from '../../devstack/testing.ts'
import { backendClasses, tables } from '../../directory/kinds.ts'
import { readSchema } from '../../engine/schema/documents.ts'
import { keyFor } from '../../operator/mod.ts'
import { openBench, told, until, untilGone } from '../testing.ts'
import { lookAtBucket } from './bucket.ts'

test('a class whose store overwrites says so and holds Tables, whose marks and schemas are claimed', async () => {
  const stack = await testStack('kubernetes', 'nats', 'objectStore')
  const { region } = stack.objectStore
  await using running = new AsyncDisposableStack()
  const proxy = running.use(await overwritingProxy({ ...stack.objectStore, pathStyle: true }))
  const bench = await openBench(stack, { objectStore: { endpoint: proxy.endpoint, region, pathStyle: true } })
  const claimsName = claimsBucket(bench.installation)
  running.defer(async () => {
    await bench.streams.admin.streams.delete(`KV_${claimsName}`)
    await bench.close()
  })
  const operator = await bench.start()
  running.defer(() => operator.stop())
  await bench.facade()

  const { status } = await until(
    bench.client,
    backendClasses,
    keyFor(bench.className),
    'is probed',
    it => told(it, 'ConditionalPut') === 'False Claimed',
  )
  assert.equal(status.capabilities?.conditionalPut, false)
  const reads = status.conditions?.find(({ type }) => type === 'ConditionalPut')
  assert.match(reads?.message ?? '', /claimed in NATS/)

  const key = keyFor('films', bench.namespace)
  const { metadata } = await bench.create(tables, 'films', {
    backendClassName: bench.className,
    columns: [{ name: 'id', type: 'String' }],
    log: { maxBytes: '1Mi' },
    deletionPolicy: 'Delete',
  })
  const ready = await until(bench.client, tables, key, 'is Ready', it => told(it, 'Ready') === 'True Ready')
  const bucket = ready.status.external?.bucket ?? ''
  const found = await lookAtBucket(bench.objects, bucket)
  assert.ok(found?.marked === 'yes')
  assert.equal(found.mark.uid, metadata.uid)
  assert.deepEqual(await readSchema(bench.objects, bucket, 1), ready.status.schema)

  const claims = await new Kvm(bench.streams.client).open(claimsName)
  const claimed = async () => Array.fromAsync(await claims.keys(`${bucket}.>`))
  assert.equal((await claimed()).length, 2)
  await bench.client.delete(tables, key)
  await untilGone(bench.client, tables, key)
  assert.deepEqual(await claimed(), [])
})
