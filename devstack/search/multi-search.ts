/** Several searches in one call, side by side or merged into one list (federation). */
import { ApiError, asApiError } from './errors.ts'
import { countFacets, type FacetResult } from './facets.ts'
import type { DocSet } from './filter.ts'
import { checkUid, type Indexes } from './indexes.ts'
import { type Doc, isObject, type Json } from './json.ts'
import { type Found, find, hitOf, type SearchResult, search } from './search.ts'
import type { SearchIndex } from './search-index.ts'
import { Fields, parseSearch, refuseUnknown, type SearchParams } from './search-params.ts'

type Query = { uid: string; params: SearchParams; weight: number; paginated: boolean }

/** Queries a call may hold. */
const MAX_QUERIES = 1000

function parseQueries(body: { [name: string]: Json }): Query[] {
  const { queries } = body
  if (!Array.isArray(queries) || queries.length > MAX_QUERIES) {
    throw new ApiError(
      'invalid_multi_search_queries',
      `Invalid value type at \`.queries\`: expected an array of at most ${MAX_QUERIES} queries`,
    )
  }
  return queries.map((query, i) => {
    const at = `.queries[${i}]`
    if (!isObject(query)) throw new ApiError('bad_request', `Invalid value type at \`${at}\`: expected an object`)
    const read = new Fields(query, at)
    const uid = read.text('indexUid', 'invalid_index_uid')
    if (uid === undefined) throw new ApiError('missing_index_uid', `Missing field \`indexUid\` inside \`${at}\``)
    checkUid(uid, `\`${at}.indexUid\`: `)
    const options = isObject(query.federationOptions) ? query.federationOptions : {}
    const weight =
      new Fields(options, `${at}.federationOptions`).number('weight', 'invalid_multi_search_federation') ?? 1
    const paginated = ['limit', 'offset', 'page', 'hitsPerPage'].some(name => (query[name] ?? null) !== null)
    return { uid, params: parseSearch(query, ['indexUid', 'federationOptions'], at), weight, paginated }
  })
}

/** Runs `work` for one query; a failure names the query. */
function inQuery<T>(i: number, work: () => T): T {
  try {
    return work()
  } catch (thrown) {
    const error = asApiError(thrown)
    if (error.code === 'internal') throw error
    const wrapped = new ApiError(error.code, `Inside \`.queries[${i}]\`: ${error.message}`, { cause: thrown })
    throw error.code === 'index_not_found' ? badRequest(wrapped) : wrapped
  }
}

/** A missing index is a fault of the request here, not of its address. */
class BadRequest extends ApiError {
  override get status(): number {
    return 400
  }
}

const badRequest = (error: ApiError): ApiError => new BadRequest(error.code, error.message, { cause: error.cause })

/** Answers a multi-search body; `allowed` throws for an index that the caller's key does not cover. */
export function multiSearch(
  indexes: Indexes,
  body: Json,
  allowed: (uid: string) => void,
  clock: () => number,
  requestUid: () => string,
): Json | { results: SearchResult[] } {
  if (!isObject(body)) throw new ApiError('bad_request', 'Invalid value type: expected an object')
  refuseUnknown(body, ['queries', 'federation'])
  const queries = parseQueries(body)
  for (const { uid } of queries) allowed(uid)
  if (isObject(body.federation)) return federated(indexes, queries, body.federation, clock, requestUid())
  const results = queries.map(({ uid, params }, i) =>
    inQuery(i, () => ({ indexUid: uid, ...search(indexes.get(uid), params, clock, requestUid()) })),
  )
  return { results }
}

type Entry = { found: Found; doc: number; query: number; score: number }

function federated(
  indexes: Indexes,
  queries: Query[],
  options: { [name: string]: Json },
  clock: () => number,
  requestUid: string,
): Json {
  const started = clock()
  refuseUnknown(
    options,
    ['limit', 'offset', 'facetsByIndex', 'mergeFacets', 'page', 'hitsPerPage', 'distinct'],
    '.federation',
  )
  if (options.page !== undefined || options.hitsPerPage !== undefined || options.distinct !== undefined) {
    throw new ApiError(
      'invalid_multi_search_federation',
      '`page`, `hitsPerPage` and `distinct` of a federation are not built in this development server.',
    )
  }
  const read = new Fields(options, '.federation')
  const limit = read.count('limit', 'invalid_multi_search_federation') ?? 20
  const offset = read.count('offset', 'invalid_multi_search_federation') ?? 0
  const founds = queries.map(({ uid, params, paginated }, i) =>
    inQuery(i, () => {
      if (paginated) {
        throw new ApiError(
          'invalid_multi_search_query_pagination',
          'Using pagination options is not allowed in federated queries. Hint: remove them from the query or remove `federation` from the request.',
        )
      }
      return find(indexes.get(uid), params, offset + limit)
    }),
  )
  const merged = merge(queries, founds)
  const hits = merged.slice(offset, offset + limit).map(({ found, doc, query, score }): Doc => {
    const _federation = { indexUid: found.index.record.uid, queriesPosition: query, weightedRankingScore: score }
    return { ...hitOf(found, doc), _federation }
  })
  return {
    hits,
    processingTimeMs: Math.round(clock() - started),
    limit,
    offset,
    estimatedTotalHits: totalOf(founds),
    ...facetsOf(indexes, founds, options),
    requestUid,
  }
}

function merge(queries: readonly Query[], founds: readonly Found[]): Entry[] {
  const bySort = founds.length > 0 && founds.every(found => found.sorts.length > 0 && !found.params.q)
  const entries = founds.flatMap((found, query) =>
    found.ordered.map(doc => ({ found, doc, query, score: found.order.score(doc) * (queries[query]?.weight ?? 1) })),
  )
  const rank = new Map(entries.map((entry, i) => [entry, i]))
  entries.sort((a, b) => {
    const sorted = bySort ? compareSorts(a, b) : 0
    return sorted || b.score - a.score || (rank.get(a) ?? 0) - (rank.get(b) ?? 0)
  })
  const seen = new Set<string>()
  return entries.filter(({ found, doc }) => {
    const name = `${found.index.record.id}/${doc}`
    return !seen.has(name) && seen.add(name)
  })
}

/** Compares the values that two hits, maybe of two indexes, are sorted by. */
function compareSorts(a: Entry, b: Entry): number {
  for (const [i, sort] of a.found.sorts.entries()) {
    const other = b.found.sorts[i]
    if (!other) return 0
    const x = sortValue(a, i)
    const y = sortValue(b, i)
    if (x === y) continue
    if (x === undefined || y === undefined) return x === undefined ? 1 : -1
    const order = typeof x === typeof y ? (x < y ? -1 : 1) : typeof x === 'number' ? -1 : 1
    return sort.descending && typeof x === typeof y ? -order : order
  }
  return 0
}

function sortValue({ found, doc }: Entry, i: number): number | string | undefined {
  const sort = found.sorts[i]
  if (!sort) return undefined
  if ('centre' in sort) {
    const key = Math.abs(found.order.sortKeys[i]?.(doc) ?? Number.POSITIVE_INFINITY)
    return Number.isFinite(key) ? key : undefined
  }
  const column = found.index.columns.get(sort.field)
  const values = (column?.codesOf(doc) ?? []).flatMap(code => column?.value(code) ?? [])
  const numbers = values.flatMap(value => ('number' in value ? [value.number] : []))
  if (numbers.length > 0) return sort.descending ? Math.max(...numbers) : Math.min(...numbers)
  const words = values.flatMap(value => ('text' in value ? [value.text] : [])).sort()
  return sort.descending ? words.at(-1) : words[0]
}

/** The documents of an index that any query matches. */
function matchedIn(index: SearchIndex, founds: readonly Found[]): DocSet {
  const any = new Uint8Array(index.end)
  for (const { index: other, matching } of founds) {
    if (other === index) for (let doc = 0; doc < any.length; doc++) any[doc] = (any[doc] ?? 0) | (matching[doc] ?? 0)
  }
  return any
}

/** Documents matched by any query, counted once an index. */
const totalOf = (founds: readonly Found[]): number =>
  [...new Set(founds.map(found => found.index))]
    .map(index => matchedIn(index, founds).reduce((sum, bit) => sum + bit, 0))
    .reduce((sum, count) => sum + count, 0)

function facetsOf(
  indexes: Indexes,
  founds: readonly Found[],
  options: { [name: string]: Json },
): { [name: string]: Json } {
  const wanted = options.facetsByIndex
  if (!isObject(wanted)) return {}
  const byIndex: { [uid: string]: FacetResult } = {}
  for (const [uid, names] of Object.entries(wanted)) {
    if (!Array.isArray(names)) continue
    const index = indexes.get(uid)
    byIndex[uid] = countFacets(index, names.map(String), matchedIn(index, founds))
  }
  if (isObject(options.mergeFacets)) return mergeFacets(Object.values(byIndex))
  const facetsByIndex: { [uid: string]: Json } = {}
  for (const [uid, { facetDistribution, facetStats }] of Object.entries(byIndex)) {
    facetsByIndex[uid] = { distribution: facetDistribution, stats: facetStats }
  }
  return { facetsByIndex }
}

function mergeFacets(results: readonly FacetResult[]): FacetResult {
  const merged: FacetResult = { facetDistribution: {}, facetStats: {} }
  for (const { facetDistribution, facetStats } of results) {
    for (const [field, counts] of Object.entries(facetDistribution)) {
      const into = merged.facetDistribution[field] ?? {}
      merged.facetDistribution[field] = into
      for (const [value, count] of Object.entries(counts)) into[value] = (into[value] ?? 0) + count
    }
    for (const [field, { min, max }] of Object.entries(facetStats)) {
      const into = merged.facetStats[field] ?? { min, max }
      merged.facetStats[field] = { min: Math.min(into.min, min), max: Math.max(into.max, max) }
    }
  }
  return merged
}
