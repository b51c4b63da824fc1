/** The settings of the search server's index that an Index asks for. */

import type { Settings } from '../../backends/search/search.ts'
import type { TableSchema } from '../schema/schema.ts'
import {
  filterAttributes,
  geoAttribute,
  type IndexSpec,
  idAttribute,
  indexLayout,
  keyAttribute,
  type RankingRule,
  revisionAttribute,
  sortAttribute,
} from './layout.ts'

/** Most values that a facet lists. */
export const maxFacetValues = 100

/** Hits that paging reaches. */
export const maxHits = 1_000

/** No document has it. The server would take an empty list for its default, which is every attribute. */
const noAttribute = '_none'

const defaultRanking: readonly RankingRule[] = ['Words', 'Typo', 'Proximity', 'Attribute', 'Sort', 'Exactness']

/** Every setting that the product relies on. Throws INVALID_ARGUMENT for a spec that `indexProblems` finds fault with. */
export function indexSettings(spec: IndexSpec, schema: TableSchema): Settings {
  const layout = indexLayout(spec, schema)
  const searchable = layout.searchable.map(column => column.name)
  const typos = spec.typoTolerance ?? { enabled: true, oneTypoMinCharacters: 5, twoTyposMinCharacters: 9 }
  return {
    searchableAttributes: searchable.length > 0 ? searchable : [noAttribute],
    displayedAttributes: [idAttribute, keyAttribute, revisionAttribute, geoAttribute, ...searchable],
    filterableAttributes: [...filterAttributes(layout, schema)],
    sortableAttributes: layout.sortable.map(sortAttribute),
    rankingRules: (spec.ranking ?? defaultRanking).map(rule => rule.toLowerCase()),
    stopWords: [...(spec.stopWords ?? [])],
    synonyms: Object.fromEntries(Object.entries(spec.synonyms ?? {}).map(([word, others]) => [word, [...others]])),
    typoTolerance: {
      enabled: typos.enabled,
      minWordSizeForTypos: { oneTypo: typos.oneTypoMinCharacters, twoTypos: typos.twoTyposMinCharacters },
    },
    faceting: { maxValuesPerFacet: maxFacetValues, sortFacetValuesBy: { '*': 'count' } },
    pagination: { maxTotalHits: maxHits },
  }
}

/** Settings whose lists have no order. */
const unordered: ReadonlySet<string> = new Set([
  'displayedAttributes',
  'filterableAttributes',
  'sortableAttributes',
  'stopWords',
])

/** The part of `wanted` in which `actual` differs: what to send; undefined when nothing does. */
export function settingsToChange(wanted: Settings, actual: Settings): Settings | undefined {
  const found: Readonly<Record<string, unknown>> = { ...actual }
  const changed = Object.entries(wanted).filter(
    ([name, value]) => !holds(found[name], value, unordered.has(name)) || hasOtherWords(name, found[name], value),
  )
  return changed.length === 0 ? undefined : Object.fromEntries(changed)
}

/** True when the server has synonyms that are not wanted. */
function hasOtherWords(name: string, actual: unknown, wanted: unknown): boolean {
  if (name !== 'synonyms' || !isObject(actual) || !isObject(wanted)) return false
  return Object.keys(actual).some(word => !(word in wanted))
}

/** True when `actual` holds all of `wanted`; of an object the server may know more fields than we set. */
function holds(actual: unknown, wanted: unknown, anyOrder: boolean): boolean {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(actual) || actual.length !== wanted.length) return false
    const [a, b] = anyOrder ? [actual.toSorted(), wanted.toSorted()] : [actual, wanted]
    return b.every((item, index) => a[index] === item)
  }
  if (isObject(wanted)) {
    return isObject(actual) && Object.entries(wanted).every(([name, value]) => holds(actual[name], value, true))
  }
  return actual === wanted
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
