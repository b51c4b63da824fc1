/**
 * The recorded answers of Meilisearch 1.50, replayed against the stand-in, or against the server that `MEILI_URL`
 * (with `MEILI_MASTER_KEY`) names. On such a server the indexes films, films_next, airports and values are replaced.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { launch } from './launch.ts'

type Json = null | boolean | number | string | Json[] | { [name: string]: Json }
type Case = {
  name: string
  request: { method: string; path: string; body?: Json; key?: string | null; contentType?: string }
  status: number
  response: Json
}

const folder = new URL('./contracts/', import.meta.url)
const read = (name: string): Promise<string> => readFile(new URL(name, folder), 'utf8')
const cases: Case[] = JSON.parse(await read('cases.json'))
const filters: { settings: Json; cases: { [name: string]: Json }[] } = JSON.parse(await read('filters.json'))

/** Fields whose value differs from run to run; the recording marks those it knew as `(volatile)`. */
const changing = new Set([
  'processingTimeMs',
  'requestUid',
  'link',
  'pkgVersion',
  'batchUid',
  'databaseSize',
  'usedDatabaseSize',
])
/** Indexes that this test makes. */
const ours = ['films', 'films_next', 'airports', 'values']

let url = process.env.MEILI_URL ?? ''
let masterKey = process.env.MEILI_MASTER_KEY ?? ''
let stop = async (): Promise<void> => {}
let searchOnlyKey = ''

const isObject = (value: Json | undefined): value is { [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

async function call(request: Case['request']): Promise<{ status: number; body: Json }> {
  const key = request.key === undefined ? masterKey : request.key === 'search-only-key' ? searchOnlyKey : request.key
  const headers: { [name: string]: string } = {}
  if (key !== null) headers.authorization = `Bearer ${key}`
  const init: RequestInit = { method: request.method, headers }
  const { body } = request
  if (body !== undefined) {
    headers['content-type'] = request.contentType ?? 'application/json'
    const file = typeof body === 'string' ? /^\((.+\.ndjson)\)$/.exec(body)?.[1] : undefined
    init.body = file ? await read(file) : typeof body === 'string' ? body : JSON.stringify(body)
  }
  const response = await fetch(`${url}${request.path}`, init)
  const text = await response.text()
  return { status: response.status, body: text === '' ? null : JSON.parse(text) }
}

async function finished(uid: Json | undefined): Promise<Json> {
  for (;;) {
    const { body } = await call({ method: 'GET', path: `/tasks/${uid}` })
    if (isObject(body) && body.status !== 'enqueued' && body.status !== 'processing') return body
    await new Promise(resolve => setImmediate(resolve))
  }
}

async function done(request: Case['request']): Promise<Json> {
  const { status, body } = await call(request)
  assert.equal(status, 202, JSON.stringify(body))
  return finished(isObject(body) ? body.taskUid : undefined)
}

/** The recorded value with what changes taken from the answer. */
function expected(recorded: Json | undefined, answer: Json | undefined): Json | undefined {
  if (recorded === '(volatile)') return answer
  if (Array.isArray(recorded)) {
    return recorded.map((item, i) => expected(item, Array.isArray(answer) ? answer[i] : undefined) ?? null)
  }
  if (!isObject(recorded)) return recorded
  const given: { [name: string]: Json } = isObject(answer) ? answer : {}
  const merged: { [name: string]: Json } = {}
  const ownWords = recorded.code === 'malformed_payload' && recorded.code === given.code // the JSON parser's, not the API's
  for (const [name, value] of Object.entries(recorded)) {
    const one =
      (changing.has(name) || (ownWords && name === 'message')) && name in given
        ? given[name]
        : expected(value, given[name])
    if (one !== undefined) merged[name] = one
  }
  return merged
}

/** Drops what the recording leaves out of every answer. */
function trimmed(value: Json): Json {
  if (Array.isArray(value)) return value.map(trimmed)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, one]) => (name === 'link' ? [] : [[name, trimmed(one)]])),
  )
}

before(async () => {
  if (url === '') {
    const data = await mkdtemp(join(tmpdir(), 'search-contract-'))
    masterKey = 'a-master-key-for-the-contract'
    const server = await launch(join(data, 'search.db'), masterKey)
    url = server.url
    stop = async () => {
      await server.stop()
      await rm(data, { recursive: true })
    }
  } else {
    for (const uid of ours) await done({ method: 'DELETE', path: `/indexes/${uid}` })
  }
})

after(async () => {
  for (const uid of ours) await done({ method: 'DELETE', path: `/indexes/${uid}` })
  await stop()
})

/** Task uids count from the first one of this run. */
function shiftUids(value: Json, by: number): Json {
  if (Array.isArray(value)) return value.map(item => shiftUids(item, by))
  if (!isObject(value)) return value
  const shifted = { ...value }
  for (const name of ['taskUid', 'uid', 'from']) {
    const uid = shifted[name]
    if (typeof uid === 'number') shifted[name] = uid + by
  }
  if (Array.isArray(shifted.results)) shifted.results = shifted.results.map(item => shiftUids(item, by))
  return shifted
}

test('every recorded call is answered as Meilisearch answered it', async t => {
  let lastTask: Json | undefined
  let firstTask: number | undefined
  for (const { name, request, status, response } of cases) {
    await t.test(name, async () => {
      let answer: { status: number; body: Json }
      if (request.path.includes('{taskUid of the call before}')) {
        answer = { status: 200, body: await finished(lastTask) }
      } else {
        answer = await call(request)
      }
      const body = trimmed(answer.body)
      if (isObject(body) && typeof body.taskUid === 'number') {
        lastTask = body.taskUid
        firstTask ??= body.taskUid
      }
      if (isObject(body) && typeof body.key === 'string' && name === 'create key') {
        searchOnlyKey = body.key
        body.key = 'search-only-key'
      }
      if (isObject(body) && isObject(body.indexes) && name === 'global stats') {
        body.indexes = Object.fromEntries(Object.entries(body.indexes).filter(([uid]) => ours.includes(uid)))
      }
      assert.equal(answer.status, status, JSON.stringify(body))
      const shifted = shiftUids(response, firstTask ?? 0)
      // A server that ran before has more tasks of an index of this name.
      if (firstTask !== 0 && isObject(body) && isObject(shifted) && name === 'tasks of an index')
        shifted.total = body.total ?? null
      assert.deepEqual(body, expected(shifted, body))
    })
  }
})

const keysOf = (body: Json): Json[] =>
  isObject(body) && Array.isArray(body.hits) ? body.hits.map(hit => (isObject(hit) ? (hit.id ?? null) : null)) : []

test('filters, sorts and facets compare values as Meilisearch compares them', async t => {
  await done({ method: 'POST', path: '/indexes', body: { uid: 'values', primaryKey: 'id' } })
  await done({ method: 'PATCH', path: '/indexes/values/settings', body: filters.settings })
  await done({
    method: 'POST',
    path: '/indexes/values/documents',
    contentType: 'application/x-ndjson',
    body: await read('values.ndjson'),
  })
  for (const { ids, facetDistribution, facetStats, ...body } of filters.cases) {
    await t.test(JSON.stringify(body), async () => {
      const answer = await call({ method: 'POST', path: '/indexes/values/search', body: { ...body, limit: 100 } })
      assert.equal(answer.status, 200, JSON.stringify(answer.body))
      if (ids !== undefined) {
        const found = keysOf(answer.body)
        assert.deepEqual('sort' in body ? found : found.sort(), ids)
      } else {
        assert.deepEqual(isObject(answer.body) && answer.body.facetDistribution, facetDistribution)
        assert.deepEqual(isObject(answer.body) && answer.body.facetStats, facetStats)
      }
    })
  }
})
