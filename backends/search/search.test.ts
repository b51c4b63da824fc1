import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { testStack, uniqueName } from '../../devstack/testing.ts'
import { searchCode } from './errors.ts'
import { readMark, removeMark, writeMark } from './marks.ts'
import { connectSearch, type Search } from './search.ts'

const index = uniqueName('s')
let search: Search
let host: string

before(async () => {
  const stack = await testStack('search')
  host = stack.search.host
  search = connectSearch({ hosts: [host], key: stack.search.key })
})
after(async () => {
  await search.deleteIndex(index)
})

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const lines = (documents: readonly unknown[]) => documents.map(document => JSON.stringify(document)).join('\n')

test('the server says that it is up and which version it is', async () => {
  await search.health()
  assert.match(await search.version(), /^\d+\.\d+/)
})

test('an index is made once, keeps its settings, takes documents and goes', async () => {
  assert.equal(await search.getIndex(index), undefined)
  assert.equal(await search.createIndex(index, 'id'), true)
  assert.equal(await search.createIndex(index, 'id'), false)
  assert.equal((await search.getIndex(index))?.primaryKey, 'id')
  await search.updateSettings(index, { filterableAttributes: ['year'], searchableAttributes: ['title'] })
  assert.deepEqual((await search.settings(index)).searchableAttributes, ['title'])

  const films = [
    { id: 'a', title: 'Alien', year: 1979 },
    { id: 'b', title: 'Brazil', year: 1985 },
  ]
  await search.taskDone(index, await search.addDocuments(index, lines(films), 'id'))
  assert.equal(await search.documentCount(index), 2)
  assert.equal(await search.tasksWaiting(index), 0)
  assert.deepEqual(await search.getDocument(index, 'a'), films[0])
  assert.equal(await search.getDocument(index, 'zzz'), undefined)

  const found = await search.search(index, { q: 'alein', facets: ['year'] })
  assert.deepEqual([found.hits[0]?.id, found.facetDistribution], ['a', { year: { 1979: 1 } }])
  const both = await search.multiSearch([
    { indexUid: index, q: 'alien' },
    { indexUid: index, q: 'brazil' },
  ])
  assert.deepEqual(
    both.map(result => result.hits.map(hit => hit.id)),
    [['a'], ['b']],
  )

  await search.taskDone(index, await search.deleteDocuments(index, ['a', 'unknown']))
  assert.equal(await search.documentCount(index), 1)
  assert.equal(await search.deleteIndex(index), true)
  assert.equal(await search.deleteIndex(index), false)
})

test('two indexes exchange their names', async () => {
  const other = uniqueName('s')
  await search.createIndex(index, 'id')
  await search.createIndex(other, 'id')
  await search.taskDone(other, await search.addDocuments(other, lines([{ id: 'only' }]), 'id'))
  await search.swapIndexes(index, other)
  assert.deepEqual([await search.documentCount(index), await search.documentCount(other)], [1, 0])
  await search.deleteIndex(other)
  await search.deleteIndex(index)
})

test('a task that fails is told with the code of the server', async () => {
  await search.createIndex(index, 'id')
  const task = await search.addDocuments(index, lines([{ id: 'a b' }]), 'id')
  await assert.rejects(
    search.taskDone(index, task),
    error => isBlastyError(error, 'BACKEND_REFUSED') && searchCode(error) === 'invalid_document_id',
  )
  await search.deleteIndex(index)
})

test('a missing index, a wrong key, a filter that is none and a server that is away have each their error', async () => {
  const missing = uniqueName('s')
  await assert.rejects(search.search(missing, { q: 'x' }), error => isBlastyError(error, 'INDEX_NOT_FOUND'))
  await assert.rejects(search.settings(missing), error => isBlastyError(error, 'INDEX_NOT_FOUND'))
  await assert.rejects(
    connectSearch({ hosts: [host], key: 'wrong' }).version(),
    error => isBlastyError(error, 'BACKEND_REFUSED') && searchCode(error) === 'invalid_api_key',
  )
  await search.createIndex(index, 'id')
  await assert.rejects(
    search.search(index, { filter: 'nope = 1' }),
    error => isBlastyError(error, 'BACKEND_REFUSED') && searchCode(error) === 'invalid_search_filter',
  )
  await search.deleteIndex(index)
  const gone = createServer()
  const away = await listening(gone)
  await new Promise(resolve => gone.close(resolve))
  await assert.rejects(
    connectSearch({ hosts: [away], key: 'x' }).health(),
    error => isBlastyError(error, 'BACKEND_UNAVAILABLE') && /ECONNREFUSED/.test(error.message),
  )
})

test('a server that never answers is given up on, and a caller who leaves is not kept waiting', async t => {
  const silent = createServer(() => {})
  const address = await listening(silent)
  t.after(() => {
    silent.close()
    silent.closeAllConnections()
  })
  const slow = connectSearch({ hosts: [address], key: 'x', timeoutMillis: 50 })
  const away = (error: unknown) => isBlastyError(error, 'BACKEND_UNAVAILABLE')
  await assert.rejects(slow.documentCount('i'), away)
  await assert.rejects(slow.search('i', { q: '' }, new AbortController().signal), away)
  await assert.rejects(slow.taskDone('i', 1), away)
  const left = new Error('the caller left')
  await assert.rejects(slow.search('i', { q: '' }, AbortSignal.abort(left)), left)
})

test('a mark is read back as it was written, until it is removed', async () => {
  const mark = { installation: 'test', kind: 'Index', uid: 'u' }
  assert.equal(await readMark(search, index), undefined)
  await writeMark(search, index, mark)
  assert.deepEqual(await readMark(search, index), mark)
  await removeMark(search, index)
  await removeMark(search, index)
  assert.equal(await readMark(search, index), undefined)
})
