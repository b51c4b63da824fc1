/** The parameters of a search, checked. */
import { ApiError, type Code } from './errors.ts'
import { isObject, type Json } from './json.ts'
import type { MatchingStrategy } from './rank.ts'

export type SearchParams = {
  q: string | null
  offset: number
  limit: number
  page: number | undefined
  hitsPerPage: number | undefined
  attributesToRetrieve: string[]
  attributesToCrop: string[]
  cropLength: number
  cropMarker: string
  attributesToHighlight: string[]
  highlightPreTag: string
  highlightPostTag: string
  showMatchesPosition: boolean
  filter: Json
  sort: string[]
  distinct: string | undefined
  facets: string[] | undefined
  matchingStrategy: MatchingStrategy
  attributesToSearchOn: string[] | undefined
  rankingScoreThreshold: number | undefined
  showRankingScore: boolean
}

/** Every name of a search body, in the order a refusal lists them. */
const names = [
  'q',
  'offset',
  'limit',
  'page',
  'hitsPerPage',
  'attributesToRetrieve',
  'attributesToCrop',
  'cropLength',
  'cropMarker',
  'attributesToHighlight',
  'highlightPreTag',
  'highlightPostTag',
  'showMatchesPosition',
  'filter',
  'sort',
  'distinct',
  'facets',
  'matchingStrategy',
  'attributesToSearchOn',
  'rankingScoreThreshold',
  'locales',
  'hybrid',
  'vector',
  'retrieveVectors',
  'media',
  'personalize',
  'useNetwork',
  'showRankingScore',
  'showRankingScoreDetails',
  'showPerformanceDetails',
]

/** Names of the real API that this server refuses: it does not do what they ask for. */
const unsupported = [
  'locales',
  'hybrid',
  'vector',
  'retrieveVectors',
  'media',
  'personalize',
  'useNetwork',
  'showRankingScoreDetails',
  'showPerformanceDetails',
]

const kindOf = (value: Json): string => {
  if (value === null) return 'null'
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) return `a number: \`${value}\``
    return value < 0 ? `a negative integer: \`${value}\`` : `a positive integer: \`${value}\``
  }
  if (typeof value === 'string') return `a string: \`"${value}"\``
  if (typeof value === 'boolean') return `a boolean: \`${value}\``
  return `${Array.isArray(value) ? 'an array' : 'an object'}: \`${JSON.stringify(value)}\``
}

/** Reads typed values out of a body; a wrong type is refused with the code of its parameter. */
export class Fields {
  readonly #body: { [name: string]: Json }
  readonly #at: string

  constructor(body: { [name: string]: Json }, at = '') {
    this.#body = body
    this.#at = at
  }

  #wrong(name: string, code: Code, expected: string, value: Json): ApiError {
    return new ApiError(
      code,
      `Invalid value type at \`${this.#at}.${name}\`: expected ${expected}, but found ${kindOf(value)}`,
    )
  }

  #get(name: string): Json | undefined {
    return this.#body[name] ?? undefined
  }

  text(name: string, code: Code): string | undefined {
    const value = this.#get(name)
    if (value === undefined || typeof value === 'string') return value
    throw this.#wrong(name, code, 'a string', value)
  }

  count(name: string, code: Code): number | undefined {
    const value = this.#get(name)
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value
    throw this.#wrong(name, code, 'a positive integer', value)
  }

  number(name: string, code: Code): number | undefined {
    const value = this.#get(name)
    if (value === undefined || typeof value === 'number') return value
    throw this.#wrong(name, code, 'a number', value)
  }

  flag(name: string, code: Code): boolean {
    const value = this.#get(name)
    if (value === undefined || typeof value === 'boolean') return value ?? false
    throw this.#wrong(name, code, 'a boolean', value)
  }

  list(name: string, code: Code): string[] | undefined {
    const value = this.#get(name)
    if (value === undefined) return undefined
    if (Array.isArray(value) && value.every(item => typeof item === 'string')) return value
    throw this.#wrong(name, code, 'an array of strings', value)
  }
}

/** Refuses names of a body that are not expected. */
export function refuseUnknown(body: { [name: string]: Json }, expected: readonly string[], at = ''): void {
  const unknown = Object.keys(body).find(name => !expected.includes(name))
  if (unknown === undefined) return
  const where = at === '' ? '' : ` inside \`${at}\``
  const list = expected.map(name => `\`${name}\``).join(', ')
  throw new ApiError('bad_request', `Unknown field \`${unknown}\`${where}: expected one of ${list}`)
}

/** Checks a search body; `extra` names are the caller's own. */
export function parseSearch(body: Json, extra: readonly string[] = [], at = ''): SearchParams {
  if (!isObject(body)) throw new ApiError('bad_request', 'Invalid value type: expected an object')
  refuseUnknown(body, [...extra, ...names], at)
  const refused = unsupported.find(name => (body[name] ?? null) !== null && body[name] !== false)
  if (refused !== undefined) {
    throw new ApiError('feature_not_enabled', `\`${refused}\` is not built in this development server.`)
  }
  const read = new Fields(body, at)
  const strategy = read.text('matchingStrategy', 'invalid_search_matching_strategy') ?? 'last'
  if (strategy !== 'last' && strategy !== 'all' && strategy !== 'frequency') {
    throw new ApiError(
      'invalid_search_matching_strategy',
      `Unknown value \`${strategy}\` at \`${at}.matchingStrategy\`: expected one of \`last\`, \`all\`, \`frequency\``,
    )
  }
  return {
    q: read.text('q', 'invalid_search_q') ?? null,
    offset: read.count('offset', 'invalid_search_offset') ?? 0,
    limit: read.count('limit', 'invalid_search_limit') ?? 20,
    page: read.count('page', 'invalid_search_page'),
    hitsPerPage: read.count('hitsPerPage', 'invalid_search_hits_per_page'),
    attributesToRetrieve: read.list('attributesToRetrieve', 'invalid_search_attributes_to_retrieve') ?? ['*'],
    attributesToCrop: read.list('attributesToCrop', 'invalid_search_attributes_to_crop') ?? [],
    cropLength: read.count('cropLength', 'invalid_search_crop_length') ?? 10,
    cropMarker: read.text('cropMarker', 'invalid_search_crop_marker') ?? '…',
    attributesToHighlight: read.list('attributesToHighlight', 'invalid_search_attributes_to_highlight') ?? [],
    highlightPreTag: read.text('highlightPreTag', 'invalid_search_highlight_pre_tag') ?? '<em>',
    highlightPostTag: read.text('highlightPostTag', 'invalid_search_highlight_post_tag') ?? '</em>',
    showMatchesPosition: read.flag('showMatchesPosition', 'invalid_search_show_matches_position'),
    filter: body.filter ?? null,
    sort: read.list('sort', 'invalid_search_sort') ?? [],
    distinct: read.text('distinct', 'invalid_search_distinct'),
    facets: read.list('facets', 'invalid_search_facets'),
    matchingStrategy: strategy,
    attributesToSearchOn: read.list('attributesToSearchOn', 'invalid_search_attributes_to_search_on'),
    rankingScoreThreshold: read.number('rankingScoreThreshold', 'invalid_search_ranking_score_threshold'),
    showRankingScore: read.flag('showRankingScore', 'invalid_search_show_ranking_score'),
  }
}

const wholeNumbers = ['offset', 'limit', 'page', 'hitsPerPage', 'cropLength']
const flags = [
  'showMatchesPosition',
  'showRankingScore',
  'showRankingScoreDetails',
  'retrieveVectors',
  'showPerformanceDetails',
]
const lists = [
  'attributesToRetrieve',
  'attributesToCrop',
  'attributesToHighlight',
  'sort',
  'facets',
  'attributesToSearchOn',
  'locales',
]

/** The body that a search by query string stands for. */
export function bodyFromQuery(query: URLSearchParams): { [name: string]: Json } {
  const body: { [name: string]: Json } = {}
  for (const [name, value] of query) {
    if (wholeNumbers.includes(name)) body[name] = /^-?\d+$/.test(value) ? Number(value) : value
    else if (name === 'rankingScoreThreshold') body[name] = Number(value)
    else if (flags.includes(name)) body[name] = value === 'true'
    else if (lists.includes(name)) body[name] = value.split(',')
    else body[name] = value
  }
  return body
}
