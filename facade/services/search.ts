/** SearchService: full-text search with facets and places over an Index; hits are rows. */

import { connectSearch, type Search } from '../../backends/search/search.ts'
import type { Index } from '../../crds/types.gen.ts'
import type { ServedTable } from '../../directory/directory.ts'
import { type IndexLayout, indexLayout } from '../../engine/indexing/layout.ts'
import { type Facet, type FoundRow, type SearchTarget, searchFacet, searchIndex } from '../../engine/indexing/search.ts'
import type { FacetSearchRequest, SearchRequest, SearchService } from '../../proto/gen/blasty/v1/search_service_pb.js'
import type { CallContext, ServiceImplementation } from '../grpc/context.ts'
import { rowMessage } from './json.ts'
import { patiently, type Scope } from './scope.ts'
import { tokenOf, wantedRevision } from './token.ts'

const defaultLimit = 20
const defaultTags = { pre: '<em>', post: '</em>' }

export function searchService(scope: Scope): ServiceImplementation<typeof SearchService> {
  const targets = new Targets()
  const found = (context: CallContext, ref: SearchRequest['index']) => {
    const { index, served } = scope.index(context.identity, ref)
    return { served, target: targets.of(index, served) }
  }
  return {
    async search(request, context) {
      const { served, target } = found(context, request.index)
      return search(scope, served, target, request, context)
    },
    async facetSearch(request, context) {
      const { served, target } = found(context, request.index)
      return facetSearch(scope, served, target, request, context)
    },
  }
}

async function search(
  scope: Scope,
  served: ServedTable,
  target: SearchTarget,
  request: SearchRequest,
  context: CallContext,
) {
  const { table } = served
  const { predicate, test } = await scope.filter(served, request.where)
  const minRevision = wantedRevision(request.minToken, table)
  const { center, radiusMeters = 0, byDistance = false } = request.near ?? {}
  const answer = await patiently(context, `index ${target.name}`, minRevision, signal =>
    searchIndex(
      target,
      {
        q: request.q,
        ...(predicate === undefined ? {} : { where: predicate }),
        facets: request.facets,
        sort: request.sort,
        ...(request.near === undefined
          ? {}
          : { near: { lat: center?.lat ?? 0, lon: center?.lon ?? 0, radiusMeters, byDistance } }),
        ...(request.highlight === undefined ? {} : { highlight: highlightOf(request.highlight) }),
        offset: request.offset,
        limit: request.limit === 0 ? defaultLimit : request.limit,
        minRevision,
      },
      signal,
    ),
  )
  const { servedRevision } = answer
  const replica = request.withRows
    ? await patiently(context, `table ${table.log.table}`, servedRevision, signal =>
        table.reached(servedRevision, 'rows', signal),
      )
    : undefined
  const hits = answer.hits.flatMap(hit => {
    if (replica === undefined) return [hitMessage(served, hit)]
    const row = replica.get(hit.key)
    // The row as it is now, which may have been deleted or changed since it was indexed.
    return row === undefined || !test(row.row(table.schemas.codec))
      ? []
      : [{ ...hitMessage(served, hit), row: rowMessage(table, row) }]
  })
  return {
    hits,
    estimatedTotalHits: BigInt(answer.estimatedTotal),
    facets: answer.facets.map(facetMessage),
    token: tokenOf(table, servedRevision),
  }
}

async function facetSearch(
  scope: Scope,
  served: ServedTable,
  target: SearchTarget,
  request: FacetSearchRequest,
  context: CallContext,
) {
  const { predicate } = await scope.filter(served, request.where)
  const minRevision = wantedRevision(request.minToken, served.table)
  const { q, column, query } = request
  const { counts, servedRevision } = await patiently(context, `index ${target.name}`, minRevision, signal =>
    searchFacet(
      target,
      { q, column, query, minRevision, ...(predicate === undefined ? {} : { where: predicate }) },
      signal,
    ),
  )
  return { counts: counts.map(countMessage), token: tokenOf(served.table, servedRevision) }
}

const highlightOf = ({ columns, preTag, postTag }: NonNullable<SearchRequest['highlight']>) => ({
  columns,
  preTag: preTag === '' ? defaultTags.pre : preTag,
  postTag: postTag === '' ? defaultTags.post : postTag,
})

function hitMessage({ table }: ServedTable, { key, distance, highlights = [] }: FoundRow) {
  return {
    keyJson: JSON.stringify(table.schemas.decodeKey(key)),
    ...(distance === undefined ? {} : { distanceMeters: distance }),
    highlights: highlights.map(({ column, texts }) => ({ column, texts: [...texts] })),
  }
}

function facetMessage({ column, counts, range }: Facet) {
  return { column, counts: counts.map(countMessage), ...(range === undefined ? {} : { range }) }
}

const countMessage = ({ value, count }: { readonly value: string; readonly count: number }) => ({
  value,
  count: BigInt(count),
})

/** Connections to search servers and layouts of Indexes, made once and kept while they fit. */
class Targets {
  readonly #connections = new Map<string, Search>()
  readonly #layouts = new WeakMap<Index, { readonly schema: number; readonly layout: IndexLayout }>()

  of(index: Index, { table, backends }: ServedTable): SearchTarget {
    const { host, key } = backends.search
    const address = `${host} ${key}`
    const search = this.#connections.get(address) ?? connectSearch({ hosts: [host], key })
    this.#connections.set(address, search)
    const { number } = table.schemas.current
    const known = this.#layouts.get(index)
    const layout = known?.schema === number ? known.layout : indexLayout(index.spec, table.schemas.current)
    this.#layouts.set(index, { schema: number, layout })
    const { namespace, name } = index.metadata
    return {
      search,
      layout,
      name: `${namespace}/${name}`,
      index: index.status?.external?.index ?? '',
      epoch: table.descriptor.epoch,
    }
  }
}
