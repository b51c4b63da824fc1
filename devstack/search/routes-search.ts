/** The calls that search. */
import type { Context } from './context.ts'
import { ApiError } from './errors.ts'
import { searchFacet } from './facets.ts'
import type { Answer, Request, Route } from './http.ts'
import { isObject, type Json } from './json.ts'
import { multiSearch } from './multi-search.ts'
import { find, search } from './search.ts'
import { bodyFromQuery, Fields, parseSearch, refuseUnknown } from './search-params.ts'

export function searchRoutes(context: Context): Route[] {
  const { indexes, clock, newUid } = context
  const one = (request: Request, body: Json): Answer => {
    const params = parseSearch(body)
    return { status: 200, body: search(indexes.get(request.param('index')), params, clock, newUid()) }
  }
  const many = async (request: Request): Promise<Answer> => {
    const allowed = (uid: string): void => context.checkIndex(request.caller, uid)
    return { status: 200, body: multiSearch(indexes, await request.json(), allowed, clock, newUid) }
  }
  const path = '/indexes/:index/search'
  return [
    { method: 'POST', path, action: 'search', handle: async request => one(request, await request.json()) },
    { method: 'GET', path, action: 'search', handle: request => one(request, bodyFromQuery(request.query)) },
    { method: 'POST', path: '/multi-search', action: 'search', handle: many },
    {
      method: 'POST',
      path: '/indexes/:index/facet-search',
      action: 'search',
      handle: async request => facetSearch(context, request.param('index'), await request.json()),
    },
  ]
}

function facetSearch(context: Context, uid: string, body: Json): Answer {
  const started = context.clock()
  if (!isObject(body)) throw new ApiError('bad_request', 'Invalid value type: expected an object')
  const names = [
    'facetQuery',
    'facetName',
    'q',
    'filter',
    'matchingStrategy',
    'attributesToSearchOn',
    'rankingScoreThreshold',
  ]
  refuseUnknown(body, [...names, 'vector', 'hybrid', 'locales', 'exhaustiveFacetCount'])
  const read = new Fields(body)
  const facetName = read.text('facetName', 'invalid_facet_search_facet_name')
  const facetQuery = read.text('facetQuery', 'invalid_facet_search_facet_query') ?? null
  if (facetName === undefined) throw new ApiError('missing_facet_search_facet_name', 'Missing field `facetName`')
  const { facetName: _name, facetQuery: _query, exhaustiveFacetCount: _exhaustive, ...rest } = body
  const index = context.indexes.get(uid)
  const { matching } = find(index, parseSearch(rest), 0)
  const facetHits = searchFacet(index, facetName, facetQuery, matching)
  return { status: 200, body: { facetHits, facetQuery, processingTimeMs: Math.round(context.clock() - started) } }
}
