import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Index, Table } from '../../crds/types.gen.ts'
import { testStack, uniqueName } from '../../devstack/testing.ts'
import { indexes, tables } from '../../directory/kinds.ts'
import { indexLayout } from '../../engine/indexing/layout.ts'
import { progressLine } from '../../engine/indexing/progress.ts'
import { keyFor } from '../../operator/mod.ts'
import { eventually } from '../../operator/testing/widgets.ts'
import { externalName } from '../names.ts'
import type { OperatorRole } from '../operator.ts'
import { type Bench, type Facade, openBench, told, until, untilGone } from '../testing.ts'
import { lookAtOwner } from './owners.ts'

let bench: Bench
let operator: OperatorRole
let reporter: Facade
let table: Table

before(async () => {
  bench = await openBench(await testStack('kubernetes', 'nats', 'objectStore', 'search'))
  operator = await bench.start()
  reporter = await bench.facade()
  const columns = [
    { name: 'id', type: 'String' },
    { name: 'title', type: 'String' },
    { name: 'poster', type: 'Blob' },
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
  externalName({ installation: bench.installation, kind: 'Index', namespace: bench.namespace, name })
const reached = (name: string, type: string, wanted: string) =>
  until(bench.client, indexes, keyOf(name), `${type} ${wanted}`, index => told(index, type) === wanted)
const made = async (spec: object = { searchable: ['title'] }) => {
  const name = uniqueName('x')
  await bench.create(indexes, name, { tableRef: { name: 'films' }, ...spec })
  return name
}

/** Does as the indexer of a worker does: says in the index, and in a report, that it is filled. */
async function fill(index: Index, revision = 1): Promise<void> {
  const name = index.status.external?.index ?? ''
  const [info, schema] = [await bench.search.getIndex(name), table.status.schema]
  assert.ok(info !== undefined && schema !== undefined)
  const layout = indexLayout(index.spec, schema).fingerprint
  const progress = { epoch: 1, revision, filledAt: revision, layout, createdAt: info.createdAt, instance: '' }
  await bench.search.taskDone(name, await bench.search.addDocuments(name, progressLine(progress), '_id'))
  await reporter.publish({ kind: 'index', indexUid: index.metadata.uid, worker: 'w', epoch: 1, revision, documents: 0 })
}

test('an Index is made with its mark and settings, and is Ready once a worker has filled it', async () => {
  const name = await made()
  const provisioned = await reached(name, 'Provisioned', 'True Created')
  assert.equal(told(provisioned, 'Filled'), 'False NoWorker')
  const external = externalOf(name)
  assert.equal(provisioned.status.external?.index, external)
  assert.equal(provisioned.status.tableUID, table.metadata.uid)
  assert.deepEqual((await bench.search.settings(external)).searchableAttributes, ['title'])
  const owner = await lookAtOwner(bench.search, external)
  assert.ok(owner.marked === 'yes' && owner.mark.uid === provisioned.metadata.uid)
  await fill(provisioned)
  const ready = await reached(name, 'Ready', 'True Ready')
  assert.deepEqual(ready.status.progress, { epoch: 1, revision: '1', documents: 0 })
})

test('an Index that vanishes is remade, and Filled only when it was filled anew', async () => {
  const name = await made()
  await fill(await reached(name, 'Provisioned', 'True Created'))
  await reached(name, 'Ready', 'True Ready')
  await bench.search.deleteIndex(externalOf(name))
  const remade = await reached(name, 'Filled', 'False NoWorker')
  await eventually('it is there', async () => (await bench.search.getIndex(externalOf(name))) !== undefined)
  await fill(remade, 2)
  await reached(name, 'Ready', 'True Ready')
})

test('settings that the spec changes, or somebody else, are set right', async () => {
  const name = await made()
  await fill(await reached(name, 'Provisioned', 'True Created'))
  await reached(name, 'Ready', 'True Ready')
  await bench.search.updateSettings(externalOf(name), { stopWords: ['theirs'] })
  const settings = () => bench.search.settings(externalOf(name))
  await eventually('set right', async () => (await settings()).stopWords?.length === 0)
  const change = { spec: { stopWords: ['the'] } }
  await bench.client.patch(indexes, keyOf(name), change, { type: 'merge', fieldManager: 'test' })
  await eventually('changed', async () => (await settings()).stopWords?.[0] === 'the')
})

test('an Index on columns that the Table lacks, or cannot search, is not accepted, and says why', async () => {
  const index = await reached(await made({ searchable: ['poster', 'nope'] }), 'Accepted', 'False InvalidColumns')
  const message = index.status.conditions?.find(({ type }) => type === 'Accepted')?.message ?? ''
  assert.match(message, /column poster is of type Blob/)
  assert.match(message, /no column nope/)
})

test('an Index of no Table waits for it', async () => {
  const name = uniqueName('x')
  await bench.create(indexes, name, { tableRef: { name: 'later' }, searchable: ['title'] })
  await reached(name, 'Ready', 'False TableNotFound')
})

test('a search index that is there already without a mark is left alone', async () => {
  const name = uniqueName('x')
  await bench.search.createIndex(externalOf(name), 'theirs')
  await bench.create(indexes, name, { tableRef: { name: 'films' }, searchable: ['title'] })
  await reached(name, 'Stalled', 'True NotMarked')
  assert.equal((await bench.search.getIndex(externalOf(name)))?.primaryKey, 'theirs')
  await bench.search.deleteIndex(externalOf(name))
})

test('a deleted Index takes its search index and mark with it', async () => {
  const name = await made()
  await reached(name, 'Provisioned', 'True Created')
  await bench.client.delete(indexes, keyOf(name))
  await untilGone(bench.client, indexes, keyOf(name))
  assert.equal(await bench.search.getIndex(externalOf(name)), undefined)
  assert.deepEqual(await lookAtOwner(bench.search, externalOf(name)), { marked: 'no' })
})
