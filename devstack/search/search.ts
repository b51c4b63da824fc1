/** Runs one search: filter, match, order, distinct, page, facets, hits. */
import { ApiError } from './errors.ts'
import { countFacets, type FacetResult } from './facets.ts'
import { compileFilter, type DocSet } from './filter.ts'
import { matchesPattern } from './flatten.ts'
import { formatted, type Marks, marksOf, matchPositions, pick } from './format.ts'
import { distanceMetres } from './geo.ts'
import type { Doc, Json } from './json.ts'
import { parseQuery } from './query.ts'
import { matchQuery } from './rank.ts'
import type { SearchIndex } from './search-index.ts'
import type { SearchParams } from './search-params.ts'
import { firstOf, type Order, orderOf, parseSorts, type Sort } from './sort.ts'
import type { Fields } from './term-matches.ts'

/** The documents a search finds, in order, and what is needed to show them. */
export type Found = {
  index: SearchIndex
  params: SearchParams
  /** The first `count` asked for, in order. */
  ordered: number[]
  /** How many match altogether. */
  total: number
  matching: DocSet
  marks: Marks
  order: Order
  sorts: Sort[]
}

/** Which fields the search looks at. */
function searchFields(index: SearchIndex, params: SearchParams): Fields {
  const on = params.attributesToSearchOn
  if (on) {
    const { searchableAttributes } = index.settings
    const bad = on.find(name => name !== '*' && !searchableAttributes.some(pattern => matchesPattern(pattern, name)))
    if (bad !== undefined) {
      throw new ApiError(
        'invalid_search_attributes_to_search_on',
        `Index \`${index.record.uid}\`: Attribute \`${bad}\` is not searchable. Available searchable attributes are: \`${searchableAttributes.join(', ')}\`.`,
      )
    }
  }
  const { disableOnAttributes } = index.settings.typoTolerance
  const all = (field: number): number | undefined =>
    !on || on.some(pattern => matchesPattern(pattern, index.fieldName(field))) ? index.weight(field) : undefined
  const withTypos = (field: number): number | undefined =>
    disableOnAttributes.some(pattern => matchesPattern(pattern, index.fieldName(field))) ? undefined : all(field)
  return { all, withTypos: disableOnAttributes.length === 0 ? all : withTypos }
}

/** Finds and orders at most `count` documents. */
export function find(index: SearchIndex, params: SearchParams, count: number): Found {
  const sorts = parseSorts(index, params.sort, 'invalid_search_sort')
  if (sorts.length > 0 && !index.settings.rankingRules.includes('sort')) {
    throw new ApiError(
      'invalid_search_sort',
      `Index \`${index.record.uid}\`: You must specify where \`sort\` is listed in the rankingRules setting to use the sort parameter at search time.`,
    )
  }
  const universe = compileFilter(index, params.filter, 'invalid_search_filter')
  const query = parseQuery(params.q ?? '', word => index.isStopWord(word), index.settings.prefixSearch !== 'disabled')
  const isPlaceholder = query.terms.length === 0 && query.notWords.length === 0 && query.notPhrases.length === 0
  const matched = isPlaceholder
    ? undefined
    : matchQuery(index, query, universe, params.matchingStrategy, searchFields(index, params))
  const order = orderOf(index, matched, sorts)
  let docs = matched?.docs ?? membersOf(universe)
  const { rankingScoreThreshold } = params
  if (rankingScoreThreshold !== undefined) docs = docs.filter(doc => order.score(doc) >= rankingScoreThreshold)
  const matching = new Uint8Array(index.end)
  for (const doc of docs) matching[doc] = 1
  const distinct = params.distinct ?? index.settings.distinctAttribute
  const ordered = firstOf(docs, order.keys, distinct === null ? count : docs.length)
  const kept = distinct === null ? ordered : distinctOf(index, ordered, distinct)
  return {
    index,
    params,
    ordered: kept.slice(0, count),
    total: distinct === null ? docs.length : kept.length,
    matching,
    marks: matched ? marksOf(matched.terms) : new Map(),
    order,
    sorts,
  }
}

function membersOf(set: DocSet): number[] {
  const docs: number[] = []
  for (let doc = 0; doc < set.length; doc++) if (set[doc] === 1) docs.push(doc)
  return docs
}

/** The first document of each value; those without a value stay. */
function distinctOf(index: SearchIndex, docs: readonly number[], field: string): number[] {
  const column = index.columns.get(field)
  if (!column) return [...docs]
  const seen = new Uint8Array(column.codeCount)
  return docs.filter(doc => {
    const codes = column.codesOf(doc)
    if (codes.some(code => seen[code] === 1)) return false
    for (const code of codes) seen[code] = 1
    return true
  })
}

/** The hit of a document as the caller asked to see it. */
export function hitOf(found: Found, doc: number): Doc {
  const { index, params, marks } = found
  const all = index.read(doc) ?? {}
  const displayed = index.settings.displayedAttributes
  const visible = displayed.includes('*') ? all : pick(all, displayed)
  const hit: Doc = { ...pick(visible, params.attributesToRetrieve) }
  const form = formatted(visible, params, marks)
  if (form) hit._formatted = form
  if (params.showMatchesPosition)
    hit._matchesPosition = matchPositions(visible, index.settings.searchableAttributes, marks)
  const geo = found.sorts.find(sort => 'centre' in sort)
  const point = index.geo.get(doc)
  if (geo && 'centre' in geo && point) hit._geoDistance = Math.round(distanceMetres(geo.centre, point))
  if (params.showRankingScore) hit._rankingScore = found.order.score(doc)
  return hit
}

export type SearchResult = {
  hits: Doc[]
  query: string
  [name: string]: Json | FacetResult['facetDistribution'] | FacetResult['facetStats']
}

/** Runs a search and shapes its answer; `clock` gives milliseconds. */
export function search(
  index: SearchIndex,
  params: SearchParams,
  clock: () => number,
  requestUid: string,
): SearchResult {
  const started = clock()
  const bound = index.settings.pagination.maxTotalHits
  const paged = params.page !== undefined || params.hitsPerPage !== undefined
  const perPage = params.hitsPerPage ?? 20
  const page = params.page ?? 1
  const offset = Math.min(bound, paged ? Math.max(0, page - 1) * perPage : params.offset)
  const limit = Math.min(bound - offset, paged ? (page === 0 ? 0 : perPage) : params.limit)
  const found = find(index, params, offset + limit)
  const facets = params.facets && countFacets(index, params.facets, found.matching)
  const hits = found.ordered.slice(offset, offset + limit).map(doc => hitOf(found, doc))
  const total = Math.min(found.total, bound)
  const size = paged
    ? { hitsPerPage: perPage, page, totalPages: perPage === 0 ? 0 : Math.ceil(total / perPage), totalHits: total }
    : { limit: params.limit, offset: params.offset, estimatedTotalHits: total }
  return {
    hits,
    query: params.q ?? '',
    processingTimeMs: Math.round(clock() - started),
    ...size,
    ...facets,
    requestUid,
  }
}
