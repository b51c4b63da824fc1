/** Searching an Index: at a revision, over rows alone, answered in keys. */

import { setTimeout as sleep } from 'node:timers/promises'
import { searchCode } from '../../backends/search/errors.ts'
import type {
  FacetCount,
  IndexInfo,
  Search,
  SearchDocument,
  SearchHit,
  SearchResult,
} from '../../backends/search/search.ts'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import type { Column } from '../schema/schema.ts'
import { facetText } from './document.ts'
import { distanceMeters } from './geo.ts'
import { geoAttribute, type IndexLayout, keyAttribute, revisionAttribute } from './layout.ts'
import { type Progress, readProgress } from './progress.ts'
import { type FacetSearchRequest, facetQuery, marks, type SearchRequest, searchQuery } from './request.ts'

/** An Index as a reader knows it. */
export type SearchTarget = {
  readonly search: Search
  /** `namespace/name` of the Index, for messages. */
  readonly name: string
  /** Name of the index in the search server. */
  readonly index: string
  /** Of the Table's log. */
  readonly epoch: number
  readonly layout: IndexLayout
}

export type FoundRow = {
  /** The encoded key. */
  readonly key: Buffer
  /** Of the row as it was indexed. */
  readonly revision: number
  /** Metres from the place of `near`. */
  readonly distance?: number
  /** Columns in which words were found, with the tags; one text a value for an array. */
  readonly highlights?: readonly { readonly column: string; readonly texts: readonly string[] }[]
}

export type Facet = {
  readonly column: string
  /** Values in their column's canonical form, most frequent first. */
  readonly counts: readonly FacetCount[]
  /** Least and greatest value of a numeric column. */
  readonly range?: { readonly min: number; readonly max: number }
}

export type SearchAnswer = {
  readonly hits: readonly FoundRow[]
  readonly facets: readonly Facet[]
  readonly estimatedTotal: number
  /** The index held at least this revision when it was searched. */
  readonly servedRevision: number
}

/**
 * Searches an Index.
 * @throws INVALID_ARGUMENT, UNSUPPORTED (a `where` that no filter can say), INDEX_NOT_READY (absent, or being filled or
 * changed), WAIT_TIMEOUT when the signal is aborted before `minRevision` is there, BACKEND_UNAVAILABLE
 */
export async function searchIndex(
  target: SearchTarget,
  request: SearchRequest,
  signal: AbortSignal,
): Promise<SearchAnswer> {
  const query = searchQuery(request, target.layout)
  const { revision } = await readable(target, request.minRevision ?? 0, signal)
  const result = await ready(target, () => target.search.search(target.index, query, signal))
  return {
    hits: result.hits.map(hit => foundRow(hit, request, target.layout)),
    facets: (request.facets ?? []).flatMap(name => {
      const column = target.layout.filterable.find(candidate => candidate.name === name)
      return column === undefined ? [] : facetOf(column, result)
    }),
    estimatedTotal: result.estimatedTotalHits ?? result.hits.length,
    servedRevision: revision,
  }
}

export type FacetSearchAnswer = { readonly counts: readonly FacetCount[]; readonly servedRevision: number }

/** Finds values of a facet by their beginning. Throws as `searchIndex` does. */
export async function searchFacet(
  target: SearchTarget,
  request: FacetSearchRequest,
  signal: AbortSignal,
): Promise<FacetSearchAnswer> {
  const query = facetQuery(request, target.layout)
  const { revision } = await readable(target, request.minRevision ?? 0, signal)
  const counts = await ready(target, () => target.search.facetSearch(target.index, query, signal))
  return { counts: counts.toSorted((a, b) => b.count - a.count), servedRevision: revision }
}

/** Pauses between two looks at the progress, in milliseconds; the last one repeats. */
const pauses = [1, 2, 3, 5, 5, 10, 10, 20, 50] as const

/** Waits until the index holds `minRevision` and may be searched. What is read afterwards is at least as new. */
async function readable(target: SearchTarget, minRevision: number, signal: AbortSignal): Promise<Progress> {
  for (let turn = 0; ; turn++) {
    const { search, index } = target
    const [progress, info] = await ready(target, () =>
      Promise.all([readProgress(search, index), search.getIndex(index)]),
    )
    check(target, progress, info)
    if (progress.revision >= minRevision) return progress
    await sleep(pauses[turn] ?? 50, undefined, { signal }).catch(cause => {
      if (signal.reason instanceof BlastyError) throw signal.reason
      const what = `index ${target.name}`
      throw new BlastyError('WAIT_TIMEOUT', { what, revision: minRevision }, { cause })
    })
  }
}

function check(
  { name, epoch, layout }: SearchTarget,
  progress: Progress | undefined,
  info: IndexInfo | undefined,
): asserts progress is Progress {
  if (progress === undefined) throw notReady(name, 'it was not filled yet')
  // A late batch of the indexer makes an index that was deleted anew, with that batch alone in it.
  if (progress.createdAt !== info?.createdAt) throw notReady(name, 'it was lost and is being filled anew')
  if (progress.epoch !== epoch) throw notReady(name, 'it is to be filled anew after a repair of its Table')
  if (progress.layout !== layout.fingerprint) throw notReady(name, 'its columns changed and it is being filled anew')
  if (progress.revision < progress.filledAt) {
    throw notReady(name, `it is being filled, ${progress.revision} of ${progress.filledAt} revisions so far`)
  }
}

/** Refusals with which the server says that its index has not the settings yet that the layout relies on. */
const unsettled: ReadonlySet<string> = new Set([
  'invalid_search_filter',
  'invalid_search_sort',
  'invalid_search_facets',
  'invalid_facet_search_facet_name',
])

async function ready<T>({ name }: SearchTarget, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (isBlastyError(error, 'INDEX_NOT_FOUND')) throw notReady(name, 'it is not in the search server', error)
    if (unsettled.has(searchCode(error) ?? '')) throw notReady(name, 'it has not its settings yet', error)
    throw error
  }
}

function notReady(index: string, reason: string, cause?: unknown): BlastyError {
  return new BlastyError('INDEX_NOT_READY', { index, reason }, cause === undefined ? {} : { cause })
}

function foundRow(hit: SearchHit, { near, highlight }: SearchRequest, layout: IndexLayout): FoundRow {
  const point = hit[geoAttribute]
  const distance =
    near !== undefined && isPoint(point) ? distanceMeters(near, { lat: point.lat, lon: point.lng }) : undefined
  return {
    key: Buffer.from(String(hit[keyAttribute]), 'base64url'),
    revision: Number(hit[revisionAttribute]),
    ...(distance !== undefined && { distance }),
    ...(highlight !== undefined && {
      highlights: layout.searchable.flatMap(({ name }) => {
        const texts = markedTexts(hit._formatted ?? {}, name)
        const tagged = texts.map(text =>
          text.replaceAll(marks.open, highlight.preTag).replaceAll(marks.close, highlight.postTag),
        )
        return texts.some(text => text.includes(marks.open)) ? [{ column: name, texts: tagged }] : []
      }),
    }),
  }
}

function isPoint(value: unknown): value is { lat: number; lng: number } {
  return typeof value === 'object' && value !== null && 'lat' in value && 'lng' in value
}

function markedTexts(formatted: SearchDocument, name: string): readonly string[] {
  const value = formatted[name]
  if (Array.isArray(value)) return value.map(String)
  return value === undefined || value === null ? [] : [String(value)]
}

const numericTypes: ReadonlySet<string> = new Set(['Int32', 'Int64', 'Decimal', 'Double'])

function facetOf(column: Column, { facetDistribution, facetStats }: SearchResult): Facet {
  const counts = Object.entries(facetDistribution?.[column.name] ?? {})
    .map(([value, count]) => ({ value: facetText(column, value), count }))
    .sort((a, b) => b.count - a.count)
  const type = column.items?.type ?? column.type
  const stats = numericTypes.has(type) ? facetStats?.[column.name] : undefined
  return { column: column.name, counts, ...(stats !== undefined && { range: { min: stats.min, max: stats.max } }) }
}
