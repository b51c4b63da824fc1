/** The official client against the server: what the recorded cases do not cover. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Index, Meilisearch, MeilisearchApiError, type Settings } from 'meilisearch'
import { launch } from './launch.ts'

let client: Meilisearch
let host = ''
let stop = async (): Promise<void> => {}

before(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'search-client-'))
  const server = await launch(join(folder, 'search.db'), 'master')
  host = server.url
  client = new Meilisearch({ host, apiKey: 'master', defaultWaitOptions: { interval: 2 } })
  stop = async () => {
    await server.stop()
    await rm(folder, { recursive: true })
  }
})

after(() => stop())

type Item = { id: string; [field: string]: unknown }

async function filled(uid: string, settings: Settings, documents: Item[]): Promise<Index<Item>> {
  await client.createIndex(uid, { primaryKey: 'id' }).waitTask()
  const index = client.index<Item>(uid)
  assert.equal((await index.updateSettings(settings).waitTask()).status, 'succeeded')
  assert.equal((await index.addDocuments(documents).waitTask()).status, 'succeeded')
  return index
}

const ids = ({ hits }: { hits: Item[] }): string[] => hits.map(hit => hit.id)

const refused = (code: string) => (thrown: unknown) =>
  thrown instanceof MeilisearchApiError && thrown.cause?.code === code

test('documents are added, merged, read, listed and deleted', async () => {
  const index = await filled('docs', { filterableAttributes: ['n'], sortableAttributes: ['n'] }, [
    { id: 'a', n: 1, keep: true },
    { id: 'b', n: 2 },
    { id: 'c', n: 3 },
  ])
  await index.updateDocuments([{ id: 'a', n: 10 }]).waitTask()
  assert.deepEqual(await index.getDocument('a'), { id: 'a', n: 10, keep: true })
  assert.deepEqual(await index.getDocument('a', { fields: ['n'] }), { n: 10 })
  const page = await index.getDocuments({ filter: 'n >= 2', sort: ['n:desc'], limit: 2 })
  assert.deepEqual([page.total, page.results.map(item => item.id)], [3, ['a', 'c']])
  assert.deepEqual((await index.getDocuments({ ids: ['b', 'zzz'] })).results, [{ id: 'b', n: 2 }])
  assert.deepEqual((await index.deleteDocuments({ filter: 'n = 2' }).waitTask()).details?.deletedDocuments, 1)
  await assert.rejects(index.getDocument('b'), refused('document_not_found'))
  assert.deepEqual((await index.deleteAllDocuments().waitTask()).details?.deletedDocuments, 2)
  assert.equal((await index.getStats()).numberOfDocuments, 0)
})

test('a document of a missing index makes the index, and its primary key is guessed', async () => {
  const task = await client
    .index('guessed')
    .addDocuments([{ bookId: 7, title: 'x' }])
    .waitTask()
  assert.equal(task.status, 'succeeded')
  assert.equal((await client.getRawIndex('guessed')).primaryKey, 'bookId')
  const failed = await client
    .index('guessed2')
    .addDocuments([{ title: 'x' }])
    .waitTask()
  assert.equal(failed.error?.code, 'index_primary_key_no_candidate_found')
})

test('one bad document fails its task whole, and the task after it succeeds', async () => {
  const index = await filled('whole', {}, [])
  const bad = index.addDocuments([{ id: 'ok' }, { id: 'not ok' }])
  const good = index.addDocuments([{ id: 'fine' }])
  assert.equal((await bad.waitTask()).error?.code, 'invalid_document_id')
  assert.equal((await good.waitTask()).status, 'succeeded')
  assert.deepEqual((await index.getDocuments()).results, [{ id: 'fine' }])
})

test('settings are read, set one by one, and reset', async () => {
  const index = await filled('settled', {}, [{ id: 'a', title: 'hello world' }])
  await index.updateFaceting({ maxValuesPerFacet: 5 }).waitTask()
  assert.deepEqual(await index.getFaceting(), { maxValuesPerFacet: 5, sortFacetValuesBy: { '*': 'alpha' } })
  await index.updateTypoTolerance({ enabled: false }).waitTask()
  assert.deepEqual(ids(await index.search('helo world', { matchingStrategy: 'all' })), [])
  await index.updateSearchableAttributes(['none']).waitTask()
  assert.deepEqual(ids(await index.search('hello')), [])
  await index.updateSearchableAttributes([]).waitTask()
  assert.deepEqual(await index.getSearchableAttributes(), ['*'])
  await index.resetSettings().waitTask()
  assert.deepEqual((await index.getSettings()).faceting?.maxValuesPerFacet, 100)
  assert.deepEqual(ids(await index.search('helllo world', { matchingStrategy: 'all' })), ['a'])
})

test('a key may do what it was given, on the indexes it was given', async () => {
  const key = await client.createKey({ actions: ['search', 'documents.*'], indexes: ['pub*'], expiresAt: null })
  const guest = new Meilisearch({ host, apiKey: key.key })
  await filled('public', {}, [{ id: 'a', title: 'open' }])
  await filled('secret', {}, [{ id: 'a', title: 'closed' }])
  assert.deepEqual(ids(await guest.index<Item>('public').search('open')), ['a'])
  await assert.rejects(guest.index('secret').search('closed'), refused('invalid_api_key'))
  await assert.rejects(
    guest.multiSearch({ queries: [{ indexUid: 'public' }, { indexUid: 'secret' }] }),
    refused('invalid_api_key'),
  )
  await assert.rejects(guest.index('public').getSettings(), refused('invalid_api_key'))
  await assert.rejects(guest.getKeys(), refused('invalid_api_key'))
  assert.equal((await client.updateKey(key.uid, { name: 'guest' })).name, 'guest')
  assert.ok((await client.getKeys()).results.some(one => one.uid === key.uid))
  await client.deleteKey(key.key)
  await assert.rejects(guest.index('public').search('open'), refused('invalid_api_key'))
})

test('synonyms, stop words, joined and split words, typo limits change what is found', async () => {
  const index = await filled(
    'words',
    {
      searchableAttributes: ['title', 'note'],
      synonyms: { nyc: ['new york'], 'big apple': ['nyc'] },
      stopWords: ['the'],
      typoTolerance: { disableOnAttributes: ['note'] },
    },
    [
      { id: 'ny', title: 'Visit New York today' },
      { id: 'nyc', title: 'NYC guide' },
      { id: 'sun', title: 'Sunflower field' },
      { id: 'note', title: 'x', note: 'elephants' },
    ],
  )
  assert.deepEqual(ids(await index.search('nyc')).sort(), ['ny', 'nyc'])
  assert.deepEqual(ids(await index.search('big apple')), ['nyc'])
  assert.deepEqual(ids(await index.search('sun flower')), ['sun'])
  assert.deepEqual(ids(await index.search('newyork')), ['ny'])
  assert.deepEqual(ids(await index.search('elephants')), ['note'])
  assert.deepEqual(ids(await index.search('elephents')), [])
  assert.deepEqual(ids(await index.search('the field')), ['sun'])
  assert.deepEqual(ids(await index.search('"york new"')), [])
  assert.deepEqual(ids(await index.search('nyc -guide')), ['ny'])
})

test('hits that are nearer the query come first', async () => {
  const index = await filled('ranked', { searchableAttributes: ['title', 'body'] }, [
    { id: 'far', title: 'dark and very long knight' },
    { id: 'body', title: 'x', body: 'dark knight' },
    { id: 'exact', title: 'dark knight' },
    { id: 'typo', title: 'dark knigth' },
    { id: 'one', title: 'dark' },
  ])
  assert.deepEqual(ids(await index.search('dark knight')), ['exact', 'body', 'far', 'typo', 'one'])
  assert.deepEqual(ids(await index.search('dark knight', { matchingStrategy: 'all' })), [
    'exact',
    'body',
    'far',
    'typo',
  ])
  assert.deepEqual(ids(await index.search('dark knight', { attributesToSearchOn: ['body'] })), ['body'])
  const { hits } = await index.search('dark knight', { showRankingScore: true, rankingScoreThreshold: 0.9 })
  assert.ok(hits.every(hit => hit._rankingScore !== undefined && hit._rankingScore >= 0.9))
  assert.ok(hits.length > 0 && hits.length < 5)
})

test('facets are counted by count when asked, and searched', async () => {
  const settings: Settings = { filterableAttributes: ['tag'], faceting: { sortFacetValuesBy: { '*': 'count' } } }
  const index = await filled('tagged', settings, [
    { id: '1', tag: ['b', 'a'] },
    { id: '2', tag: ['b', 'c'] },
    { id: '3', tag: 'Bee' },
  ])
  const { facetDistribution } = await index.search('', { facets: ['tag'] })
  assert.deepEqual(Object.entries(facetDistribution?.tag ?? {})[0], ['b', 2])
  const found = await index.searchForFacetValues({ facetName: 'tag', facetQuery: 'b', filter: 'tag = b OR tag = bee' })
  assert.deepEqual(found.facetHits, [
    { value: 'b', count: 2 },
    { value: 'Bee', count: 1 },
  ])
})

test('a federation counts a document once, however many queries find it', async () => {
  await filled('fed1', { filterableAttributes: ['n'] }, [{ id: 'a', title: 'red', n: 1 }])
  await filled('fed2', { filterableAttributes: ['n'] }, [{ id: 'b', title: 'red fox', n: 2 }])
  const result = await client.multiSearch({
    federation: { facetsByIndex: { fed1: ['n'] } },
    queries: [
      { indexUid: 'fed1', q: 'red' },
      { indexUid: 'fed1', q: 'red' },
      { indexUid: 'fed2', q: 'red', federationOptions: { weight: 2 } },
    ],
  })
  assert.deepEqual(
    result.hits.map(hit => hit.id),
    ['b', 'a'],
  )
  assert.equal(result.estimatedTotalHits, 2)
  assert.deepEqual(result.facetsByIndex?.fed1?.distribution, { n: { 1: 1 } })
})

test('a swap exchanges settings and documents, and a missing index fails it whole', async () => {
  await filled('left', { filterableAttributes: ['a'] }, [{ id: 'l' }])
  await filled('right', { filterableAttributes: ['b'] }, [{ id: 'r' }])
  const failed = await client
    .swapIndexes([
      { indexes: ['left', 'right'], rename: false },
      { indexes: ['guessed', 'nowhere'], rename: false },
    ])
    .waitTask()
  assert.equal(failed.error?.code, 'index_not_found')
  assert.deepEqual((await client.index('left').getDocuments()).results, [{ id: 'l' }])
  await client.swapIndexes([{ indexes: ['left', 'right'], rename: false }]).waitTask()
  assert.deepEqual((await client.index('left').getDocuments()).results, [{ id: 'r' }])
  assert.deepEqual(await client.index('left').getFilterableAttributes(), ['b'])
})

test('tasks are listed by what they are, and finished ones deleted', async () => {
  const task = await client
    .index('listed')
    .addDocuments([{ id: 1 }])
    .waitTask()
  await client.index('listed').deleteDocuments([1]).waitTask()
  const { results, total } = await client.tasks.getTasks({ indexUids: ['listed'], types: ['documentDeletion'] })
  assert.deepEqual([total, results.map(one => one.type)], [1, ['documentDeletion']])
  const deletion = await client.tasks.deleteTasks({ uids: [task.uid] }).waitTask()
  assert.deepEqual(deletion.details?.deletedTasks, 1)
  await assert.rejects(client.tasks.getTask(task.uid), refused('task_not_found'))
})

test('what is not built is refused by name', async () => {
  const index = await filled('refusing', {}, [{ id: 'a' }])
  await assert.rejects(index.search('', { vector: [1] }), refused('feature_not_enabled'))
  await assert.rejects(
    index.updateEmbedders({ e: { source: 'userProvided', dimensions: 1 } }),
    refused('feature_not_enabled'),
  )
  await assert.rejects(client.createDump(), refused('not_found'))
})
