import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ErrorCode, isBlastyError } from '../../base/errors.ts'
import { parsePredicate } from '../predicate/predicate.ts'
import { filmSchema, patience } from '../testing.ts'
import type { SearchRequest } from './request.ts'
import { searchFacet, searchIndex } from './search.ts'
import { idsFound, onceReady, startIndexer, type TestIndex, testIndex } from './testing.ts'

const oslo = { lat: 59.91, lon: 10.75 }
let films: TestIndex
let last: number

before(async () => {
  films = await testIndex()
  startIndexer(films)
  last = await films.put(
    {
      id: 'a',
      title: 'The Alien <em>',
      year: 1979,
      votes: '9007199254740993',
      gross: '1234567890123456.78',
      released: '1979-05-25',
      tags: ['Space', 'alien'],
      place: { lat: 59.95, lon: 10.75 },
      flag: true,
    },
    {
      id: 'b',
      title: 'Brazil',
      year: 1985,
      votes: '9007199254740992',
      gross: '12.50',
      released: '1985-02-20',
      tags: ['Space'],
      place: { lat: 60.39, lon: 5.32 },
      flag: false,
    },
    { id: 'c', title: 'brazil', year: 1990, votes: '-5' },
    { id: 'd', title: null },
  )
  await onceReady(() => idsFound(films, last))
})
after(() => films.close())

const search = (request: Partial<SearchRequest>) =>
  searchIndex(films.target, { q: '', limit: 20, ...request }, patience())

const where = async (text: string) =>
  (await idsFound(films, last, { where: await parsePredicate(text, filmSchema) })).toSorted()

test('words are found with a typo, marked where they stand, the tags of the caller not mistaken for the text’s own', async () => {
  const { hits, estimatedTotal, servedRevision } = await search({
    q: 'alein',
    minRevision: last,
    highlight: { columns: [], preTag: '<em>', postTag: '</em>' },
  })
  assert.deepEqual(
    hits.map(hit => ({ ...hit, key: hit.key.toString() })),
    [
      {
        key: 'a\0',
        revision: 1,
        highlights: [
          { column: 'title', texts: ['The <em>Alien</em> <em>'] },
          { column: 'tags', texts: ['Space', '<em>alien</em>'] },
        ],
      },
    ],
  )
  assert.deepEqual([estimatedTotal, servedRevision], [1, last])
})

test('facets count rows alone, in the form of their columns, the most frequent first', async () => {
  const { facets, estimatedTotal } = await search({ facets: ['tags', 'released', 'year', 'flag', 'gross'] })
  assert.equal(estimatedTotal, 4)
  assert.deepEqual(facets[0], {
    column: 'tags',
    counts: [
      { value: 'Space', count: 2 },
      { value: 'alien', count: 1 },
    ],
  })
  assert.deepEqual(facets[1]?.counts.map(({ value }) => value).toSorted(), ['1979-05-25', '1985-02-20'])
  assert.deepEqual(facets[2]?.range, { min: 1979, max: 1990 })
  assert.deepEqual(facets[3]?.counts.map(({ value }) => value).toSorted(), ['false', 'true'])
  assert.deepEqual(facets[4]?.counts.map(({ value }) => value).toSorted(), ['12.5', '1234567890123456.78'])
})

test('a where is exact: case, large numbers, decimals and NULL count as in SQL', async () => {
  assert.deepEqual(await where("title = 'Brazil'"), ['b'])
  assert.deepEqual(await where('votes = 9007199254740993'), ['a'])
  assert.deepEqual(await where('NOT votes > 0'), ['c'])
  assert.deepEqual(await where('gross > 1234567890123456.77'), ['a'])
  assert.deepEqual(await where("released BETWEEN '1980-01-01' AND '1990-01-01'"), ['b'])
  assert.deepEqual(await where('place IS NULL AND title IS NOT NULL'), ['c'])
  assert.deepEqual(await where('true'), ['a', 'b', 'c', 'd'])
})

test('hits are sorted by numbers and dates, rows without a value last', async () => {
  const sorted = (column: string, descending: boolean) => idsFound(films, last, { sort: [{ column, descending }] })
  assert.deepEqual(await sorted('year', true), ['c', 'b', 'a', 'd'])
  assert.equal((await sorted('votes', false))[0], 'c')
  assert.deepEqual((await sorted('released', false)).slice(0, 2), ['a', 'b'])
})

test('rows near a place are found with their distance, nearest first', async () => {
  const near = { ...oslo, radiusMeters: 400_000, byDistance: true }
  const { hits } = await search({ near })
  assert.deepEqual(
    hits.map(hit => [hit.key.toString(), Math.round((hit.distance ?? 0) / 1000)]),
    [
      ['a\0', 4],
      ['b\0', 305],
    ],
  )
  assert.equal((await search({ near: { ...oslo, radiusMeters: 10_000 } })).hits.length, 1)
  assert.equal((await search({ near: { ...oslo, radiusMeters: Number.POSITIVE_INFINITY } })).hits.length, 2)
})

test('values of a facet are found by their beginning', async () => {
  const { counts, servedRevision } = await searchFacet(
    films.target,
    { q: '', column: 'tags', query: 'spa' },
    patience(),
  )
  assert.deepEqual([counts, servedRevision], [[{ value: 'Space', count: 2 }], last])
})

test('hits come in pages, and no page shows anything but rows', async () => {
  const first = await search({ limit: 3, sort: [{ column: 'year', descending: false }] })
  const second = await search({ limit: 3, offset: 3, sort: [{ column: 'year', descending: false }] })
  assert.deepEqual(
    [...first.hits, ...second.hits].map(hit => hit.key.toString().slice(0, 1)),
    ['a', 'b', 'c', 'd'],
  )
})

test('a search waits for the revision asked for, and says so when it does not come in time', async () => {
  const written = await films.put({ id: 'late', title: 'Zardoz' })
  const { hits, servedRevision } = await search({ q: 'zardoz', minRevision: written })
  assert.equal(hits.length, 1)
  assert.ok(servedRevision >= written)
  await assert.rejects(
    searchIndex(films.target, { q: '', limit: 1, minRevision: written + 1 }, AbortSignal.timeout(20)),
    error => isBlastyError(error, 'WAIT_TIMEOUT'),
  )
  await films.remove('late')
})

const refused: readonly [string, Partial<SearchRequest>, ErrorCode, RegExp][] = [
  ['an unknown facet', { facets: ['nope'] }, 'INVALID_ARGUMENT', /facets\[0\].*filterable column nope; it has title,/],
  ['a facet of places', { facets: ['place'] }, 'INVALID_ARGUMENT', /GeoPoint and has no facet/],
  [
    'a sort by a column that is not sortable',
    { sort: [{ column: 'title', descending: false }] },
    'INVALID_ARGUMENT',
    /sort\[0\].column.*it has year, votes/,
  ],
  [
    'a sort by place without a place',
    { sort: [{ column: 'place', descending: false }] },
    'INVALID_ARGUMENT',
    /set near/,
  ],
  ['a page past the thousandth hit', { limit: 10, offset: 991 }, 'INVALID_ARGUMENT', /at most 1000/],
  ['half a hit', { limit: 0.5 }, 'INVALID_ARGUMENT', /limit: must be a whole number/],
  ['a place that is none', { near: { lat: 91, lon: 0, radiusMeters: 1 } }, 'INVALID_ARGUMENT', /near.center.lat/],
  ['a radius of nothing', { near: { ...oslo, radiusMeters: 0 } }, 'INVALID_ARGUMENT', /near.radius_meters/],
  [
    'highlights of a column that is not searched',
    { highlight: { columns: ['year'], preTag: '<', postTag: '>' } },
    'INVALID_ARGUMENT',
    /highlight.columns\[0\].*it has title, tags/,
  ],
]
for (const [name, request, code, message] of refused) {
  test(`refused, with what the Index offers: ${name}`, async () => {
    await assert.rejects(search(request), error => isBlastyError(error, code) && message.test(error.message))
  })
}

test('a where over a column that is not filterable, or that no filter can say, is refused', async () => {
  await assert.rejects(
    where('rating > 5'),
    error => isBlastyError(error, 'INVALID_ARGUMENT') && /no filterable column rating/.test(error.message),
  )
  await assert.rejects(where("title LIKE '%zil'"), error => isBlastyError(error, 'UNSUPPORTED'))
})

test('an Index that is not in the server, has no settings or was not filled is not ready', async () => {
  const other = await testIndex()
  try {
    const ask = () => searchIndex(other.target, { q: '', limit: 1 }, patience())
    const notReady = (reason: RegExp) => (error: unknown) =>
      isBlastyError(error, 'INDEX_NOT_READY') && reason.test(error.message)
    await assert.rejects(ask(), notReady(/not filled yet/))
    startIndexer(other)
    await onceReady(ask)
    await other.search.updateSettings(other.index, { filterableAttributes: [] })
    await assert.rejects(ask(), notReady(/not its settings yet/))
    await other.search.deleteIndex(other.index)
    await assert.rejects(ask(), notReady(/not in the search server/))
  } finally {
    await other.close()
  }
})
