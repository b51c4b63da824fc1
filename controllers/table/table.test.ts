import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { publish } from '../../backends/streams/publish.ts'
import type { Table } from '../../crds/types.gen.ts'
import { testStack, uniqueName } from '../../devstack/testing.ts'
import { indexes, tables } from '../../directory/kinds.ts'
import { headersOf } from '../../engine/log/record.ts'
import { markWritten } from '../../engine/log/written.ts'
import { readSchema } from '../../engine/schema/documents.ts'
import { keyFor } from '../../operator/mod.ts'
import { eventually } from '../../operator/testing/widgets.ts'
import { markMetadata } from '../marks.ts'
import { externalName } from '../names.ts'
import type { OperatorRole } from '../operator.ts'
import { type Bench, emptyBucket, openBench, told, until, untilGone } from '../testing.ts'
import { lookAtBucket } from './bucket.ts'

let bench: Bench
let operator: OperatorRole

before(async () => {
  bench = await openBench(await testStack('kubernetes', 'nats', 'objectStore'))
  operator = await bench.start()
  await bench.facade()
})
after(async () => {
  await operator?.stop()
  await bench?.close()
})

const id = { name: 'id', type: 'String' }
const title = { name: 'title', type: 'String' }
const spec = (change: object = {}) => ({
  backendClassName: bench.className,
  columns: [id, title],
  primaryKey: ['id'],
  log: { maxBytes: '1Mi' },
  ...change,
})
const keyOf = (name: string) => keyFor(name, bench.namespace)
const externalOf = (name: string) =>
  externalName({ installation: bench.installation, kind: 'Table', namespace: bench.namespace, name })
const ready = (name: string) => reached(name, 'Ready', 'True Ready')
const reached = (name: string, type: string, wanted: string) =>
  until(bench.client, tables, keyOf(name), `${type} ${wanted}`, table => told(table, type) === wanted)
const made = async (change: object = {}, metadata: object = {}) => {
  const name = uniqueName('t')
  await bench.create(tables, name, spec(change), metadata)
  return ready(name)
}
const patch = (name: string, change: object) =>
  bench.client.patch(tables, keyOf(name), change, { type: 'merge', fieldManager: 'test' })
const streamInfo = (name: string) => bench.streams.admin.streams.info(name)
const streamGone = async (name: string) => {
  try {
    await streamInfo(name)
    return false
  } catch {
    return true
  }
}

/** Stores one row, as the facade does. */
async function writeRow({ status, metadata }: Table): Promise<number> {
  const stream = status.external?.stream ?? ''
  const headers = headersOf({ schema: 1, operation: 'put', principal: 'test' })
  const message = {
    subject: `${stream}.${status.external?.epoch}.k.${Buffer.from(metadata.name).toString('base64url')}`,
    headers,
  }
  const outcome = await publish(bench.streams.connection, [{ ...message, data: Buffer.from('{}') }], 5_000)
  assert.ok(outcome.kind === 'stored')
  return outcome.seq
}

test('a Table that is applied becomes Ready, with a marked bucket, a marked log and its schema in both', async () => {
  const { metadata, status } = await made()
  const name = externalOf(metadata.name)
  assert.deepEqual(status.external, { bucket: name, stream: name, epoch: 1 })
  assert.equal(status.backendClassName, bench.className)
  assert.equal(status.observedGeneration, 1)
  assert.deepEqual(status.effective, { log: { maxBytes: 1_048_576, retentionSeconds: 604_800, replicas: 1 } })
  assert.deepEqual(
    status.conditions?.map(({ type }) => type),
    ['Accepted', 'BucketReady', 'LogReady', 'Served', 'LogHasRoom', 'LakeReady', 'Ready'],
  )
  assert.deepEqual(metadata.finalizers, ['blasty.dev/table'])
  const found = await lookAtBucket(bench.objects, name)
  assert.ok(found?.marked === 'yes')
  assert.equal(found.mark.uid, metadata.uid)
  const { config, state } = await streamInfo(name)
  assert.partialDeepStrictEqual(config.metadata, { ...markMetadata(found.mark), 'blasty-epoch': '1' })
  assert.equal(state.last_seq, 1)
  assert.deepEqual(await readSchema(bench.objects, name, 1), status.schema)
})

test('a Table that is as it should be costs no write', async () => {
  const { metadata } = await made()
  const looks = async () => {
    const text = await operator.operator.metrics.registry.metrics()
    return Number(/operator_reconciles_total\{controller="tables",result="ready"\} (\d+)/.exec(text)?.[1] ?? 0)
  }
  const before = await looks()
  await eventually('it is looked at again', async () => (await looks()) > before + 20)
  const now = await bench.client.get(tables, keyOf(metadata.name))
  assert.equal(now.metadata.resourceVersion, metadata.resourceVersion)
})

test('a log that somebody changed is set right, or left so under Observe', async () => {
  const [corrected, observed] = await Promise.all([made(), made({ driftPolicy: 'Observe' })])
  for (const { status } of [corrected, observed]) {
    const name = status.external?.stream ?? ''
    const { config } = await streamInfo(name)
    await bench.streams.admin.streams.update(name, { ...config, max_bytes: 2_000_000 })
  }
  const size = async ({ status }: Table) => (await streamInfo(status.external?.stream ?? '')).config.max_bytes
  await eventually('it is set right', async () => (await size(corrected)) === 1_048_576)
  await reached(observed.metadata.name, 'LogReady', 'True Drifted')
  assert.equal(await size(observed), 2_000_000)
  await patch(observed.metadata.name, { spec: { driftPolicy: 'Correct' } })
  await eventually('it is set right when asked', async () => (await size(observed)) === 1_048_576)
})

test('a new column leads to schema 2, in the bucket, in the log and then in the status', async () => {
  const { metadata, status } = await made()
  await patch(metadata.name, { spec: { columns: [id, title, { name: 'year', type: 'Int32' }] } })
  const changed = await until(
    bench.client,
    tables,
    keyOf(metadata.name),
    'schema 2',
    it => it.status.schema?.number === 2,
  )
  assert.deepEqual(await readSchema(bench.objects, status.external?.bucket ?? '', 2), changed.status.schema)
  assert.equal((await streamInfo(status.external?.stream ?? '')).state.last_seq, 2)
  await ready(metadata.name)
})

test('a log that was never written and vanishes comes back', async () => {
  const { metadata, status } = await made()
  const stream = status.external?.stream ?? ''
  await bench.streams.admin.streams.delete(stream)
  await eventually('the stream is back', async () => !(await streamGone(stream)))
  await eventually('with its schema', async () => (await streamInfo(stream)).state.last_seq === 1)
  await ready(metadata.name)
})

test('a written log that vanishes stalls the Table, which names the revisions at risk', async () => {
  const table = await made()
  const stream = table.status.external?.stream ?? ''
  assert.equal(await writeRow(table), 2)
  await until(bench.client, tables, keyOf(table.metadata.name), 'seen', it => it.status.progress?.revision === '2')
  await bench.streams.admin.streams.delete(stream)
  const lost = await reached(table.metadata.name, 'LogReady', 'False LogLost')
  assert.equal(told(lost, 'Stalled'), 'True LogLost')
  assert.match(
    lost.status.conditions?.find(({ type }) => type === 'Ready')?.message ?? '',
    /revisions 1 to 2 are at risk/,
  )
  assert.equal(await streamGone(stream), true)
})

test('a log that vanishes before anybody told of its rows is known to have been written, by the mark in the bucket', async () => {
  const table = await made()
  const { stream = '', bucket = '' } = table.status.external ?? {}
  await markWritten(bench.objects, bucket)
  await bench.streams.admin.streams.delete(stream)
  await reached(table.metadata.name, 'LogReady', 'False LogLost')
  assert.equal(await streamGone(stream), true)
})

test('a bucket that holds something and has no mark is left alone', async () => {
  const name = uniqueName('t')
  const bucket = externalOf(name)
  await bench.objects.makeBucket(bucket)
  await bench.objects.put(bucket, 'theirs', Buffer.from('x'))
  await bench.create(tables, name, spec())
  await reached(name, 'Stalled', 'True NotMarked')
  assert.equal((await bench.objects.get(bucket, 'theirs'))?.toString(), 'x')
  assert.deepEqual(await lookAtBucket(bench.objects, bucket), { marked: 'no' })
  await bench.objects.remove(bucket, ['theirs'])
  await ready(name) // an empty bucket of our name is claimed
})

test('a stream marked for another installation is neither changed nor deleted', async () => {
  const name = uniqueName('t')
  const stream = externalOf(name)
  const mark = {
    installation: 'other',
    kind: 'Table',
    namespace: bench.namespace,
    name,
    namespaceUid: 'n',
    uid: 'u',
  } as const
  const config = { name: stream, subjects: [`${stream}.>`], max_bytes: 5_000, metadata: markMetadata(mark) }
  await bench.streams.admin.streams.add(config)
  await bench.create(tables, name, spec({ deletionPolicy: 'Delete' }))
  await reached(name, 'Stalled', 'True OwnedByOther')
  await bench.client.delete(tables, keyOf(name))
  await untilGone(bench.client, tables, keyOf(name))
  assert.equal((await streamInfo(stream)).config.max_bytes, 5_000)
})

test('retained data outlives its Table, and is taken over only when asked', async () => {
  const table = await made()
  const { name } = table.metadata
  await writeRow(table)
  await bench.client.delete(tables, keyOf(name))
  await untilGone(bench.client, tables, keyOf(name))
  assert.equal((await streamInfo(externalOf(name))).state.last_seq, 2)
  await bench.create(tables, name, spec())
  await reached(name, 'Stalled', 'True RetainedData')
  await patch(name, { metadata: { annotations: { 'blasty.dev/adopt': 'true' } } })
  const adopted = await ready(name)
  assert.equal(adopted.status.progress?.revision, '2')
  assert.equal((await streamInfo(externalOf(name))).config.metadata?.['blasty-uid'], adopted.metadata.uid)
  const found = await lookAtBucket(bench.objects, externalOf(name))
  assert.ok(found?.marked === 'yes' && found.mark.uid === adopted.metadata.uid)
})

test('with deletionPolicy Delete a Table without rows goes at once with all it had', async () => {
  const { metadata, status } = await made({ deletionPolicy: 'Delete' })
  const bucket = status.external?.bucket ?? ''
  const keys = Array.from({ length: 1_100 }, (_, i) => `blobs/${i}`)
  for (let i = 0; i < keys.length; i += 50) {
    await Promise.all(keys.slice(i, i + 50).map(key => bench.objects.put(bucket, key, Buffer.from('x'))))
  }
  await bench.client.delete(tables, keyOf(metadata.name))
  await untilGone(bench.client, tables, keyOf(metadata.name))
  assert.equal(await bench.objects.bucketExists(bucket), false)
  assert.equal(await streamGone(bucket), true)
})

test('with deletionPolicy Delete a Table with rows waits, says until when, and the annotation lets it go', async () => {
  const table = await made({ deletionPolicy: 'Delete' })
  const { name, uid } = table.metadata
  await writeRow(table)
  await bench.client.delete(tables, keyOf(name))
  const waiting = await reached(name, 'Ready', 'False DeletionPostponed')
  const due = Date.parse(waiting.metadata.deletionTimestamp ?? '') + 86_400_000
  const message = waiting.status.conditions?.find(({ type }) => type === 'Ready')?.message ?? ''
  assert.ok(message.includes(new Date(due).toISOString().slice(0, 19)), message)
  await patch(name, { metadata: { annotations: { 'blasty.dev/abandon': uid } } })
  await untilGone(bench.client, tables, keyOf(name))
  assert.equal((await streamInfo(externalOf(name))).state.last_seq, 2)
})

test('rows are deleted once deleteAfterSeconds have passed', async () => {
  const table = await made({ deletionPolicy: 'Delete', deleteAfterSeconds: 1 })
  await writeRow(table)
  await bench.client.delete(tables, keyOf(table.metadata.name))
  await untilGone(bench.client, tables, keyOf(table.metadata.name))
  assert.equal(await streamGone(externalOf(table.metadata.name)), true)
})

test('while paused a deletion that deletes waits, and one that retains does not', async () => {
  const paused = { annotations: { 'blasty.dev/paused': 'true' } }
  const [retained, deleted] = await Promise.all([made(), made({ deletionPolicy: 'Delete' })])
  for (const { metadata } of [retained, deleted]) {
    await patch(metadata.name, { metadata: paused })
    await reached(metadata.name, 'Paused', 'True Paused')
    await bench.client.delete(tables, keyOf(metadata.name))
  }
  await untilGone(bench.client, tables, keyOf(retained.metadata.name))
  assert.equal(await streamGone(externalOf(deleted.metadata.name)), false)
  await patch(deleted.metadata.name, { metadata: { annotations: { 'blasty.dev/paused': null } } })
  await untilGone(bench.client, tables, keyOf(deleted.metadata.name))
  assert.equal(await streamGone(externalOf(deleted.metadata.name)), true)
})

test('an Index holds its Table while it is there', async () => {
  const { metadata } = await made()
  await bench.create(indexes, metadata.name, { tableRef: { name: metadata.name }, searchable: ['title'] })
  await eventually(
    'the operator has seen it',
    () => operator.operator.read(indexes).get(keyOf(metadata.name)) !== undefined,
  )
  await bench.client.delete(tables, keyOf(metadata.name))
  const held = await reached(metadata.name, 'Ready', 'False InUse')
  assert.match(held.status.conditions?.find(({ type }) => type === 'Ready')?.message ?? '', /Index/)
  const index = await bench.client.get(indexes, keyOf(metadata.name))
  await bench.client.patch(
    indexes,
    keyOf(metadata.name),
    { metadata: { annotations: { 'blasty.dev/abandon': index.metadata.uid } } },
    { type: 'merge' },
  )
  await bench.client.delete(indexes, keyOf(metadata.name))
  await untilGone(bench.client, tables, keyOf(metadata.name))
  await emptyBucket(bench.objects, externalOf(metadata.name))
})
