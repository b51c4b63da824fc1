import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { announceSchema } from '../log/control.ts'
import type { TableSchema } from '../schema/schema.ts'
import { Schemas } from '../schema/schemas.ts'
import { eventSchema, filmSchema, patience } from '../testing.ts'
import { type IndexSpec, idAttribute, indexLayout } from './layout.ts'
import { progressLine, readProgress } from './progress.ts'
import { searchIndex } from './search.ts'
import { filmSpec, idsFound, onceReady, startIndexer, type TestIndex, testIndex } from './testing.ts'

const numbered = (count: number, title: string, from = 0) =>
  Array.from({ length: count }, (_, at) => ({ id: `f${from + at}`, title, year: 1900 + at }))

/** Waits until the index holds the revision and returns the ids in it, sorted. */
const idsIn = async (films: TestIndex, revision: number) =>
  (await onceReady(() => idsFound(films, revision))).toSorted()

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  await onceReady(async () => assert.ok(await holds()))
}

test('rows written before and after the indexer began are found, a changed row as it is now, a deleted one no more', async t => {
  const films = await testIndex()
  t.after(films.close)
  await films.put({ id: 'a', title: 'Alien', year: 1979 }, { id: 'b', title: 'Brazil', year: 1985 })
  const indexer = startIndexer(films)
  const first = await films.put({ id: 'c', title: 'Casablanca', year: 1942 })
  assert.deepEqual(await idsIn(films, first), ['a', 'b', 'c'])
  await films.put({ id: 'a', title: 'Aliens', year: 1986 })
  const last = await films.remove('b')
  assert.deepEqual(await idsFound(films, last, { sort: [{ column: 'year', descending: true }] }), ['a', 'c'])
  assert.deepEqual(await idsFound(films, last, { q: 'brazil' }), [])
  await until(() => indexer.progress()?.revision === last)
  await indexer.stop()
  assert.deepEqual(indexer.progress(), { epoch: 1, revision: last, documents: 2, filled: true })
  assert.deepEqual(indexer.problems, [])
})

test('far behind, it sends many batches at once and leaves every row as it was last', async t => {
  const films = await testIndex()
  t.after(films.close)
  for (let from = 0; from < 600; from += 100) await films.put(...numbered(100, 'old', from))
  await films.remove(...numbered(50, '').map(film => film.id))
  const last = await films.put(...numbered(100, 'new', 500))
  startIndexer(films, { limits: { documents: 150, batchesInFlight: 3 } })
  assert.equal((await idsIn(films, last)).length, 550)
  assert.equal((await idsFound(films, last, { q: 'new' })).length, 100)
  assert.equal((await idsFound(films, last, { q: 'old' })).length, 450)
})

test('an indexer that ended in order is followed at once by the next, which goes on where it stopped', async t => {
  const films = await testIndex()
  t.after(films.close)
  const first = startIndexer(films)
  await idsIn(films, await films.put({ id: 'a', title: 'Alien' }))
  await first.stop()
  const last = await films.put({ id: 'b', title: 'Brazil' })
  const never = 60_000
  startIndexer(films, { leaseMillis: never })
  assert.deepEqual(await idsIn(films, last), ['a', 'b'])
})

test('an empty Table has an index that is ready and empty', async t => {
  const films = await testIndex()
  t.after(films.close)
  startIndexer(films)
  assert.deepEqual(await idsIn(films, 0), [])
})

test('a row whose key is too long to be an id is indexed, found and deleted', async t => {
  const films = await testIndex()
  t.after(films.close)
  const id = 'k'.repeat(1_000)
  startIndexer(films)
  assert.deepEqual(await idsIn(films, await films.put({ id, title: 'Long' })), [id])
  assert.deepEqual(await idsFound(films, await films.remove(id)), [])
})

test('an index deleted under it is filled anew as soon as it is back', async t => {
  const films = await testIndex()
  t.after(films.close)
  const indexer = startIndexer(films)
  const last = await films.put(...numbered(10, 'x'))
  await idsIn(films, last)
  await films.search.deleteIndex(films.index)
  await until(() => indexer.problems.length > 0)
  await assert.rejects(idsFound(films, last), error => isBlastyError(error, 'INDEX_NOT_READY'))
  await films.provision()
  assert.equal((await idsIn(films, last)).length, 10)
})

test('an index that the server made anew for a late batch is not taken for a full one', async t => {
  const films = await testIndex()
  t.after(films.close)
  const indexer = startIndexer(films, { limits: { checkMillis: 600_000 } })
  await idsIn(films, await films.put(...numbered(10, 'x')))
  await films.search.deleteIndex(films.index)
  const last = await films.put({ id: 'z', title: 'Zardoz' })
  await until(() => indexer.problems.length > 0)
  await films.provision()
  assert.equal((await idsIn(films, last)).length, 11)
})

test('what another process wrote to the index late is written over again', async t => {
  const films = await testIndex()
  t.after(films.close)
  startIndexer(films)
  await idsIn(films, await films.put({ id: 'a', title: 'Alien' }))
  const before = await films.search.getDocument(films.index, 'YQA')
  const progress = await readProgress(films.search, films.index)
  assert.ok(before && progress)
  const last = await films.put({ id: 'a', title: 'Zardoz' })
  assert.deepEqual(await idsFound(films, last, { q: 'zardoz' }), ['a'])
  const late = [JSON.stringify(before), progressLine({ ...progress, instance: 'another' })].join('\n')
  await films.search.taskDone(films.index, await films.search.addDocuments(films.index, late, idAttribute))
  await until(async () => (await idsFound(films, last, { q: 'zardoz' })).length === 1)
})

test('a spec that uses another column has the index filled anew; until then it answers that it is not ready', async t => {
  const films = await testIndex()
  t.after(films.close)
  const last = await films.put({ id: 'a', title: 'Alien', rating: 8.5 })
  const first = startIndexer(films)
  await idsIn(films, last)
  await first.stop()
  const spec: IndexSpec = { ...filmSpec, filterable: [...(filmSpec.filterable ?? []), 'rating'] }
  const target = { ...films.target, layout: indexLayout(spec, filmSchema) }
  const facets = () => searchIndex(target, { q: '', limit: 1, facets: ['rating'], minRevision: last }, patience())
  await assert.rejects(facets(), error => isBlastyError(error, 'INDEX_NOT_READY'))
  await films.search.updateSettings(films.index, { filterableAttributes: ['rating', '_where'] })
  startIndexer(films, { spec })
  assert.deepEqual((await onceReady(facets)).facets[0]?.counts, [{ value: '8.5', count: 1 }])
})

test('a column added to the Table changes nothing; one retired that the Index uses ends it with a reason', async t => {
  const films = await testIndex()
  t.after(films.close)
  const added: TableSchema = {
    ...filmSchema,
    number: 2,
    columns: [...filmSchema.columns, { name: 'studio', type: 'String', required: false, field: 20 }],
  }
  const retired: TableSchema = {
    ...added,
    number: 3,
    columns: added.columns.filter(column => column.name !== 'year'),
    retired: [{ name: 'year', field: 14 }],
  }
  const schemas = new Schemas('test/films', filmSchema, async number => (number === 2 ? added : retired))
  const indexer = startIndexer(films, { schemas })
  await announceSchema(films.on.log, 2)
  assert.deepEqual(await idsIn(films, await films.put({ id: 'a', title: 'Alien' })), ['a'])
  assert.deepEqual(indexer.problems, [])
  await announceSchema(films.on.log, 3)
  await assert.rejects(
    indexer.ended,
    error => isBlastyError(error, 'INVALID_ARGUMENT') && /year is retired/.test(error.message),
  )
})

test('an indexer stops while it waits for a schema, and has handed over what it sent', async t => {
  const films = await testIndex()
  t.after(films.close)
  const asked = Promise.withResolvers<void>()
  const schemas = new Schemas('test/films', filmSchema, () => {
    asked.resolve()
    return new Promise(() => {})
  })
  // Its replica knows the schema already.
  const indexer = startIndexer(films, { schemas, replica: films.replica(films.on.schemas) })
  const last = await films.put({ id: 'a', title: 'Alien' })
  assert.deepEqual(await idsIn(films, last), ['a'])
  await announceSchema(films.on.log, 2)
  await asked.promise
  await indexer.stop()
  assert.deepEqual(indexer.problems, [])
  const progress = await readProgress(films.search, films.index)
  assert.deepEqual([progress?.revision, progress?.instance], [last, ''])
})

test('a Table without a primary key cannot be indexed, and the reason is told', async t => {
  const films = await testIndex()
  t.after(films.close)
  const schemas = new Schemas('test/events', eventSchema, async () => eventSchema)
  const indexer = startIndexer(films, { schemas, spec: { searchable: ['text'] } })
  await assert.rejects(
    indexer.ended,
    error => isBlastyError(error, 'INVALID_ARGUMENT') && /no primaryKey/.test(error.message),
  )
})
