import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Table } from '../../crds/types.gen.ts'
import { testStack, uniqueName } from '../../devstack/testing.ts'
import { subscriptions, tables } from '../../directory/kinds.ts'
import { consumerName } from '../../engine/feed/subscription-stream.ts'
import { keyFor } from '../../operator/mod.ts'
import { eventually } from '../../operator/testing/widgets.ts'
import { externalName } from '../names.ts'
import type { OperatorRole } from '../operator.ts'
import { type Bench, type Facade, openBench, told, until, untilGone } from '../testing.ts'

let bench: Bench
let operator: OperatorRole
let reporter: Facade
let table: Table

before(async () => {
  bench = await openBench(await testStack('kubernetes', 'nats', 'objectStore'))
  operator = await bench.start()
  reporter = await bench.facade()
  const columns = [
    { name: 'id', type: 'String' },
    { name: 'gross', type: 'Int64' },
  ]
  const spec = { backendClassName: bench.className, columns, primaryKey: ['id'], log: { maxBytes: '1Mi' } }
  await bench.create(tables, 'films', spec)
  const key = keyFor('films', bench.namespace)
  table = await until(bench.client, tables, key, 'made', it => it.status.external !== undefined)
})
after(async () => {
  await operator?.stop()
  await bench?.close()
})

const keyOf = (name: string) => keyFor(name, bench.namespace)
const externalOf = (name: string) =>
  externalName({ installation: bench.installation, kind: 'Subscription', namespace: bench.namespace, name })
const reached = (name: string, type: string, wanted: string) =>
  until(bench.client, subscriptions, keyOf(name), `${type} ${wanted}`, it => told(it, type) === wanted)
const made = async (spec: object = { where: 'gross >= 100' }) => {
  const name = uniqueName('s')
  await bench.create(subscriptions, name, { tableRef: { name: 'films' }, ...spec })
  return name
}
const report = (uid: string, rest: object = {}) =>
  reporter.publish({
    kind: 'subscription',
    subscriptionUid: uid,
    worker: 'w',
    epoch: 1,
    revision: 1,
    delivered: 0,
    ...rest,
  })

test('a Subscription gets its stream and consumer, and is Ready once a worker runs it', async () => {
  const name = await made({ where: 'gross >= 100', consumer: { ackWaitSeconds: 7 } })
  const provisioned = await reached(name, 'Provisioned', 'True Created')
  assert.equal(told(provisioned, 'Running'), 'False NoWorker')
  assert.deepEqual(provisioned.status.external, { stream: externalOf(name) })
  assert.equal(provisioned.status.tableUID, table.metadata.uid)
  const { config } = await bench.streams.admin.streams.info(externalOf(name))
  assert.equal(config.metadata?.['blasty-uid'], provisioned.metadata.uid)
  const consumer = await bench.streams.admin.consumers.info(externalOf(name), consumerName)
  assert.equal(consumer.config.ack_wait, 7_000_000_000)
  await report(provisioned.metadata.uid)
  const ready = await reached(name, 'Ready', 'True Ready')
  assert.deepEqual(ready.status.progress, { epoch: 1, revision: '1', delivered: 0 })
  await report(provisioned.metadata.uid, { error: 'the stream is full' })
  await reached(name, 'Ready', 'False RouterFailed')
})

test('a where that does not parse is told with the construct and its position', async () => {
  const subscription = await reached(
    await made({ where: 'gross >= 100 AND nope = 1' }),
    'Accepted',
    'False InvalidWhere',
  )
  const message = subscription.status.conditions?.find(({ type }) => type === 'Accepted')?.message ?? ''
  assert.match(message, /nope/)
  assert.match(message, /position 18/)
  assert.equal(told(subscription, 'Stalled'), 'True InvalidWhere')
})

test('a consumer or an unused stream that vanishes comes back, a stream with events does not', async () => {
  const name = await made()
  const { metadata } = await reached(name, 'Provisioned', 'True Created')
  await report(metadata.uid)
  await reached(name, 'Ready', 'True Ready')
  const { streams, consumers } = bench.streams.admin
  const there = () =>
    consumers.info(externalOf(name), consumerName).then(
      () => true,
      () => false,
    )
  await consumers.delete(externalOf(name), consumerName)
  await eventually('the consumer is back', there)
  await streams.delete(externalOf(name))
  await eventually('the stream is back', there)
  await report(metadata.uid, { delivered: 3 })
  await until(bench.client, subscriptions, keyOf(name), 'seen', it => it.status.progress?.delivered === 3)
  await streams.delete(externalOf(name))
  await reached(name, 'Stalled', 'True StreamLost')
})

test('a deleted Subscription takes its stream with it', async () => {
  const name = await made()
  await reached(name, 'Provisioned', 'True Created')
  await bench.client.delete(subscriptions, keyOf(name))
  await untilGone(bench.client, subscriptions, keyOf(name))
  await assert.rejects(bench.streams.admin.streams.info(externalOf(name)), /stream not found/)
})
