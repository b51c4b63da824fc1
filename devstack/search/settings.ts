/** Index settings: defaults, checks, and how a partial update changes them. */
import { ApiError, type Code } from './errors.ts'
import { isObject, type Json } from './json.ts'

export type FilterableRule = {
  attributePatterns: string[]
  features?: { facetSearch?: boolean; filter?: { equality?: boolean; comparison?: boolean } }
}

export type Settings = {
  displayedAttributes: string[]
  searchableAttributes: string[]
  filterableAttributes: (string | FilterableRule)[]
  sortableAttributes: string[]
  rankingRules: string[]
  stopWords: string[]
  nonSeparatorTokens: string[]
  separatorTokens: string[]
  dictionary: string[]
  synonyms: { [word: string]: string[] }
  distinctAttribute: string | null
  proximityPrecision: string
  typoTolerance: {
    enabled: boolean
    minWordSizeForTypos: { oneTypo: number; twoTypos: number }
    disableOnWords: string[]
    disableOnAttributes: string[]
    disableOnNumbers: boolean
  }
  faceting: { maxValuesPerFacet: number; sortFacetValuesBy: { [attribute: string]: string } }
  pagination: { maxTotalHits: number }
  embedders: { [name: string]: Json }
  searchCutoffMs: number | null
  localizedAttributes: Json
  facetSearch: boolean
  prefixSearch: string
}

export const defaultSettings = (): Settings => ({
  displayedAttributes: ['*'],
  searchableAttributes: ['*'],
  filterableAttributes: [],
  sortableAttributes: [],
  rankingRules: ['words', 'typo', 'proximity', 'attributeRank', 'sort', 'wordPosition', 'exactness'],
  stopWords: [],
  nonSeparatorTokens: [],
  separatorTokens: [],
  dictionary: [],
  synonyms: {},
  distinctAttribute: null,
  proximityPrecision: 'byWord',
  typoTolerance: {
    enabled: true,
    minWordSizeForTypos: { oneTypo: 5, twoTypos: 9 },
    disableOnWords: [],
    disableOnAttributes: [],
    disableOnNumbers: false,
  },
  faceting: { maxValuesPerFacet: 100, sortFacetValuesBy: { '*': 'alpha' } },
  pagination: { maxTotalHits: 1000 },
  embedders: {},
  searchCutoffMs: null,
  localizedAttributes: null,
  facetSearch: true,
  prefixSearch: 'indexingTime',
})

/** The names as an unknown one is refused with; `foreignKeys` and `chat` belong to experiments. */
const knownNames = [
  'displayedAttributes',
  'searchableAttributes',
  'filterableAttributes',
  'sortableAttributes',
  'foreignKeys',
  'rankingRules',
  'stopWords',
  'nonSeparatorTokens',
  'separatorTokens',
  'dictionary',
  'synonyms',
  'distinctAttribute',
  'proximityPrecision',
  'typoTolerance',
  'faceting',
  'pagination',
  'embedders',
  'searchCutoffMs',
  'localizedAttributes',
  'facetSearch',
  'prefixSearch',
  'chat',
]

const ruleNames = ['words', 'typo', 'proximity', 'attribute', 'attributeRank', 'wordPosition', 'sort', 'exactness']

/** A checked partial update: names of Settings to their new value, null meaning the default. */
export type SettingsPatch = { [name: string]: Json }

const wrong = (code: Code, name: string, problem: string): ApiError =>
  new ApiError(code, `Invalid value type at \`.${name}\`: ${problem}`)

const strings = (value: Json): value is string[] =>
  Array.isArray(value) && value.every(item => typeof item === 'string')

const isCount = (value: Json | undefined): boolean =>
  value === undefined || value === null || (typeof value === 'number' && Number.isInteger(value) && value >= 0)

const listCodes: { [name: string]: Code } = {
  displayedAttributes: 'invalid_settings_displayed_attributes',
  searchableAttributes: 'invalid_settings_searchable_attributes',
  sortableAttributes: 'invalid_settings_sortable_attributes',
  stopWords: 'invalid_settings_stop_words',
  nonSeparatorTokens: 'bad_request',
  separatorTokens: 'bad_request',
  dictionary: 'bad_request',
}

/** Checks the body of a settings update; lists without an order come out sorted. */
export function parsePatch(body: Json): SettingsPatch {
  if (!isObject(body)) throw new ApiError('bad_request', 'Invalid value type: expected an object')
  const patch: SettingsPatch = {}
  for (const [name, value] of Object.entries(body)) {
    if (!knownNames.includes(name)) {
      const expected = knownNames.map(known => `\`${known}\``).join(', ')
      throw new ApiError('bad_request', `Unknown field \`${name}\`: expected one of ${expected}`)
    }
    if (value !== null && asksForUnbuilt(name, value)) {
      throw new ApiError('feature_not_enabled', `\`${name}\` of this value is not built in this development server.`)
    }
    patch[name] = value === null ? null : parseValue(name, value)
  }
  return patch
}

/** Values of the real API that would be ignored here, so they are refused. */
function asksForUnbuilt(name: string, value: Json): boolean {
  switch (name) {
    case 'embedders':
      return !isObject(value) || Object.keys(value).length > 0
    case 'separatorTokens':
    case 'nonSeparatorTokens':
    case 'dictionary':
      return Array.isArray(value) && value.length > 0
    case 'proximityPrecision':
      return value !== 'byWord'
    case 'facetSearch':
      return value !== true
    case 'filterableAttributes':
      return Array.isArray(value) && value.some(rule => isObject(rule) && rule.features !== undefined)
    case 'prefixSearch':
      return value !== 'indexingTime' && value !== 'disabled'
    case 'searchCutoffMs':
    case 'localizedAttributes':
    case 'chat':
    case 'foreignKeys':
      return true
    default:
      return false
  }
}

const sortedSet = (values: string[]): string[] => [...new Set(values)].sort()

function parseValue(name: string, value: Json): Json {
  const listCode = listCodes[name]
  if (listCode) {
    if (!strings(value)) throw wrong(listCode, name, 'expected an array of strings')
    return name === 'displayedAttributes' || name === 'searchableAttributes' ? value : sortedSet(value)
  }
  switch (name) {
    case 'filterableAttributes':
      if (Array.isArray(value) && value.every(isFilterable)) return value
      throw wrong('invalid_settings_filterable_attributes', name, 'expected an array of strings or attribute rules')
    case 'rankingRules': {
      if (!strings(value)) throw wrong('invalid_settings_ranking_rules', name, 'expected an array of strings')
      const bad = value.find(rule => !ruleNames.includes(rule) && !/^.+:(asc|desc)$/.test(rule))
      if (bad === undefined) return value
      throw new ApiError(
        'invalid_settings_ranking_rules',
        `Invalid value at \`.rankingRules\`: \`${bad}\` ranking rule is invalid. Valid ranking rules are words, typo, sort, proximity, attribute, attributeRank, wordPosition, exactness and custom ranking rules.`,
      )
    }
    case 'synonyms':
      if (isObject(value) && Object.values(value).every(strings)) return value
      throw wrong('invalid_settings_synonyms', name, 'expected an object of arrays of strings')
    case 'typoTolerance':
      return parseTypoTolerance(value)
    case 'pagination':
      if (isObject(value) && isCount(value.maxTotalHits)) return value
      throw wrong('invalid_settings_pagination', name, 'expected an object with a positive `maxTotalHits`')
    case 'faceting':
      if (isObject(value) && isCount(value.maxValuesPerFacet)) return value
      throw wrong('invalid_settings_faceting', name, 'expected an object with a positive `maxValuesPerFacet`')
    default:
      return value
  }
}

const isFilterable = (value: Json): boolean =>
  typeof value === 'string' || (isObject(value) && strings(value.attributePatterns ?? null))

function parseTypoTolerance(value: Json): Json {
  if (!isObject(value)) throw wrong('invalid_settings_typo_tolerance', 'typoTolerance', 'expected an object')
  const sizes = isObject(value.minWordSizeForTypos) ? value.minWordSizeForTypos : {}
  if (!isCount(sizes.oneTypo) || !isCount(sizes.twoTypos)) {
    throw wrong('invalid_settings_typo_tolerance', 'typoTolerance.minWordSizeForTypos', 'expected positive integers')
  }
  const { oneTypo, twoTypos } = sizes
  if (typeof oneTypo === 'number' && typeof twoTypos === 'number' && oneTypo > twoTypos) {
    throw new ApiError(
      'invalid_settings_typo_tolerance',
      `\`minWordSizeForTypos\` setting is invalid. \`oneTypo\` and \`twoTypos\` fields should be between \`0\` and \`255\`, and \`twoTypos\` should be greater or equals to \`oneTypo\` but found \`oneTypo: ${oneTypo}\` and twoTypos: ${twoTypos}\`.`,
    )
  }
  return value
}

/** Lays a patch over a value: objects are merged, null takes the default, anything else replaces. */
function merge(current: Json, fallback: Json, patch: Json): Json {
  if (patch === null) return fallback
  if (!isObject(patch) || !isObject(current)) return patch
  const merged = { ...current }
  const defaults = isObject(fallback) ? fallback : {}
  for (const [name, value] of Object.entries(patch))
    merged[name] = merge(merged[name] ?? null, defaults[name] ?? null, value)
  return merged
}

/** The settings after a patch. */
export function applyPatch(current: Settings, patch: SettingsPatch): Settings {
  const next: { [name: string]: unknown } = { ...current }
  const defaults: { [name: string]: Json } = { ...defaultSettings() }
  const merging = ['typoTolerance', 'faceting', 'pagination']
  for (const [name, given] of Object.entries(patch)) {
    const fallback = defaults[name] ?? null
    const isEmpty = Array.isArray(given) && given.length === 0
    // An empty list here means every attribute, as there.
    const value = isEmpty && (name === 'searchableAttributes' || name === 'displayedAttributes') ? null : given
    next[name] = merging.includes(name) ? merge((next[name] ?? null) as Json, fallback, value) : (value ?? fallback)
  }
  return next as Settings
}

/** The patterns of attributes that may be filtered and faceted. */
export const filterablePatterns = (settings: Settings): string[] =>
  settings.filterableAttributes.flatMap(rule => (typeof rule === 'string' ? [rule] : rule.attributePatterns))

/** A custom ranking rule `field:asc`, taken apart. */
export function customRule(rule: string): { field: string; descending: boolean } | undefined {
  const match = /^(.+):(asc|desc)$/.exec(rule)
  return match?.[1] ? { field: match[1], descending: match[2] === 'desc' } : undefined
}
