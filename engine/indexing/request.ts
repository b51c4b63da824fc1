/** A search as the product offers it, checked against an Index and put into the search server's words. */

import type { SearchParams } from '../../backends/search/search.ts'
import { BlastyError } from '../../base/errors.ts'
import { columnsOf, type Predicate, toFilter } from '../predicate/predicate.ts'
import type { Column } from '../schema/schema.ts'
import { farthest, type Place } from './geo.ts'
import {
  everyRow,
  geoAttribute,
  type IndexLayout,
  isText,
  keyAttribute,
  revisionAttribute,
  sortAttribute,
} from './layout.ts'
import { maxHits } from './settings.ts'

export type SortBy = { readonly column: string; readonly descending: boolean }

export type Near = Place & {
  readonly radiusMeters: number
  /** Nearest first, before any other order. */
  readonly byDistance?: boolean
}

export type Highlight = {
  /** Searchable columns; empty = all of them. */
  readonly columns: readonly string[]
  readonly preTag: string
  readonly postTag: string
}

export type SearchRequest = {
  /** Words; empty finds all. */
  readonly q: string
  readonly where?: Predicate
  readonly facets?: readonly string[]
  readonly sort?: readonly SortBy[]
  readonly near?: Near
  readonly highlight?: Highlight
  readonly limit: number
  readonly offset?: number
  /** The index must hold at least this revision. */
  readonly minRevision?: number
}

export type FacetSearchRequest = Pick<SearchRequest, 'q' | 'where' | 'minRevision'> & {
  readonly column: string
  /** Beginning of the value; empty = the most frequent values. */
  readonly query: string
}

/** Most facets of one search. */
export const maxFacets = 20

/** Unicode noncharacters: they stand for the caller's tags, which the text itself may hold. */
export const marks = { open: '\ufdd0', close: '\ufdd1' } as const

/** The server's form of a request. Throws INVALID_ARGUMENT, or UNSUPPORTED for a `where` that no filter can say. */
export function searchQuery(request: SearchRequest, layout: IndexLayout): SearchParams {
  const { q, limit, offset = 0, facets = [], sort = [], near, highlight } = request
  count('limit', limit)
  count('offset', offset)
  if (limit + offset > maxHits) refuse('limit', `offset and limit together reach ${limit + offset}; at most ${maxHits}`)
  if (facets.length > maxFacets) refuse('facets', `names ${facets.length} columns; at most ${maxFacets}`)
  if (near !== undefined) checkNear(near, layout)
  return {
    q,
    limit,
    offset,
    filter: filterOf(request.where, near, layout),
    attributesToRetrieve: [keyAttribute, revisionAttribute, ...(near === undefined ? [] : [geoAttribute])],
    ...(facets.length > 0 && { facets: facets.map((name, at) => facetColumn(`facets[${at}]`, name, layout).name) }),
    ...((sort.length > 0 || near?.byDistance) && { sort: sortRules(sort, near, layout) }),
    ...(highlight !== undefined && {
      attributesToHighlight: highlighted(highlight, layout),
      highlightPreTag: marks.open,
      highlightPostTag: marks.close,
    }),
  }
}

/** The server's form of a search for values of a facet. Throws as `searchQuery` does. */
export function facetQuery(request: FacetSearchRequest, layout: IndexLayout): SearchParams & { facetName: string } {
  const column = facetColumn('column', request.column, layout)
  if (!isText(column)) refuse('column', `${column.name} holds no text; only String and UUID values can be searched`)
  return {
    q: request.q,
    filter: filterOf(request.where, undefined, layout),
    facetName: column.name,
    facetQuery: request.query,
  }
}

function filterOf(where: Predicate | undefined, near: Near | undefined, layout: IndexLayout): string[] {
  const filters = [everyRow]
  if (where !== undefined) {
    for (const column of columnsOf(where)) named('where', column.name, 'filterable', layout)
    filters.push(toFilter(where))
  }
  if (near !== undefined) {
    filters.push(`_geoRadius(${place(near)}, ${Math.min(near.radiusMeters, farthest).toFixed(3)})`)
  }
  return filters
}

function sortRules(sort: readonly SortBy[], near: Near | undefined, layout: IndexLayout): string[] {
  const byDistance = (field: string, descending: boolean): string => {
    if (near === undefined) return refuse(field, 'sorting by distance needs a place to measure from; set near')
    return `_geoPoint(${place(near)}):${descending ? 'desc' : 'asc'}`
  }
  const rules = sort.map(({ column: name, descending }, at) => {
    const column = named(`sort[${at}].column`, name, 'sortable', layout)
    if (column.type === 'GeoPoint') return byDistance(`sort[${at}].column`, descending)
    return `${sortAttribute(column)}:${descending ? 'desc' : 'asc'}`
  })
  if (!near?.byDistance) return rules
  if (!layout.sortable.some(column => column.type === 'GeoPoint')) {
    refuse('near.by_distance', `the Index has no GeoPoint to sort by; it sorts by ${listed(layout.sortable)}`)
  }
  return [byDistance('near.by_distance', false), ...rules]
}

function highlighted({ columns, preTag, postTag }: Highlight, layout: IndexLayout): string[] {
  if (preTag === '' || postTag === '') refuse('highlight', 'a tag must not be empty')
  if (columns.length === 0) return layout.searchable.map(column => column.name)
  return columns.map((name, at) => named(`highlight.columns[${at}]`, name, 'searchable', layout).name)
}

function facetColumn(field: string, name: string, layout: IndexLayout): Column {
  const column = named(field, name, 'filterable', layout)
  if (column.type === 'GeoPoint') refuse(field, `${name} is a GeoPoint and has no facet; use near`)
  return column
}

function checkNear({ lat, lon, radiusMeters }: Near, layout: IndexLayout): void {
  if (!layout.filterable.some(column => column.type === 'GeoPoint')) {
    refuse('near', `the Index has no filterable GeoPoint; it filters by ${listed(layout.filterable)}`)
  }
  if (!(Math.abs(lat) <= 90)) refuse('near.center.lat', 'must be between -90 and 90')
  if (!(Math.abs(lon) <= 180)) refuse('near.center.lon', 'must be between -180 and 180')
  if (!(radiusMeters > 0)) refuse('near.radius_meters', 'must be greater than 0')
}

/** Nine digits are a tenth of a millimetre; the server's grammar has no exponents. */
function place({ lat, lon }: Place): string {
  return `${lat.toFixed(9)}, ${lon.toFixed(9)}`
}

type Use = 'searchable' | 'filterable' | 'sortable'

function named(field: string, name: string, use: Use, layout: IndexLayout): Column {
  const column = layout[use].find(candidate => candidate.name === name)
  return column ?? refuse(field, `the Index has no ${use} column ${name}; it has ${listed(layout[use])}`)
}

function listed(columns: readonly Column[]): string {
  return columns.length === 0 ? 'none' : columns.map(column => column.name).join(', ')
}

function count(field: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) refuse(field, 'must be a whole number that is not negative')
}

function refuse(field: string, problem: string): never {
  throw new BlastyError('INVALID_ARGUMENT', { field, problem }, { violations: [{ field, description: problem }] })
}
