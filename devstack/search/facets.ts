/** Facet counts, facet statistics and the search in facet values. */
import { compareValues, type FacetValue, normaliseFacet } from './column.ts'
import { ApiError } from './errors.ts'
import type { DocSet } from './filter.ts'
import { matchesPattern } from './flatten.ts'
import type { SearchIndex } from './search-index.ts'
import { filterablePatterns } from './settings.ts'
import { allowedTypos } from './term-matches.ts'
import { editDistance } from './typos.ts'

export type FacetResult = {
  facetDistribution: { [field: string]: { [value: string]: number } }
  facetStats: { [field: string]: { min: number; max: number } }
}

/** A number in full decimal digits, never with an exponent. */
export function writtenNumber(value: number): string {
  const text = String(value)
  if (!text.includes('e')) return text
  return Number.isInteger(value) ? BigInt(value).toString() : value.toFixed(100).replace(/0+$/, '')
}

const shown = (value: FacetValue): string => ('number' in value ? writtenNumber(value.number) : value.original)

const notFilterable = (index: SearchIndex, name: string): ApiError => {
  const patterns = filterablePatterns(index.settings).toSorted()
  const available =
    patterns.length === 0
      ? 'This index does not have configured filterable attributes.'
      : `Available filterable attributes patterns are: \`${patterns.join(', ')}\`.`
  return new ApiError(
    'invalid_search_facets',
    `Invalid facet distribution: Pattern \`${name}\` is not filterable. ${available}`,
  )
}

/** Counts the values of the wanted facets (`*` for all) among the documents. */
export function countFacets(index: SearchIndex, wanted: readonly string[], docs: DocSet): FacetResult {
  const patterns = filterablePatterns(index.settings)
  for (const name of wanted) {
    if (name !== '*' && !patterns.some(pattern => matchesPattern(pattern, name))) throw notFilterable(index, name)
  }
  const result: FacetResult = { facetDistribution: {}, facetStats: {} }
  const fields = [...index.columns.keys()].filter(
    field =>
      wanted.some(name => matchesPattern(name, field)) && patterns.some(pattern => matchesPattern(pattern, field)),
  )
  for (const field of fields.sort()) {
    const column = index.columns.get(field)
    if (!column || column.documents === 0) continue
    const counts = column.counts(docs)
    const found: { value: FacetValue; count: number }[] = []
    let min = Number.POSITIVE_INFINITY
    let max = Number.NEGATIVE_INFINITY
    counts.forEach((count, code) => {
      const value = column.value(code)
      if (count === 0 || !value) return
      found.push({ value, count })
      if (!('number' in value)) return
      min = Math.min(min, value.number)
      max = Math.max(max, value.number)
    })
    order(index, field, found)
    const distribution: { [value: string]: number } = {}
    for (const { value, count } of found.slice(0, index.settings.faceting.maxValuesPerFacet)) {
      distribution[shown(value)] = count // of the number 2 and the text "2" the later, the text, stays
    }
    result.facetDistribution[field] = distribution
    if (min <= max) result.facetStats[field] = { min, max }
  }
  return result
}

function order(index: SearchIndex, field: string, found: { value: FacetValue; count: number }[]): void {
  const by = index.settings.faceting.sortFacetValuesBy
  const byCount = (by[field] ?? by['*'] ?? 'alpha') === 'count'
  found.sort((a, b) => (byCount ? b.count - a.count : 0) || compareValues(a.value, b.value))
}

/** Values of one facet that begin with a text, typos allowed as in words. */
export function searchFacet(
  index: SearchIndex,
  field: string,
  text: string | null,
  docs: DocSet,
): { value: string; count: number }[] {
  if (!filterablePatterns(index.settings).some(pattern => matchesPattern(pattern, field))) {
    const patterns = filterablePatterns(index.settings).toSorted()
    const available =
      patterns.length === 0
        ? 'This index does not have configured filterable attributes.'
        : `Available filterable attributes patterns are: \`${patterns.join(', ')}\`.`
    throw new ApiError(
      'invalid_facet_search_facet_name',
      `Attribute \`${field}\` is not facet-searchable. ${available}`,
    )
  }
  const column = index.columns.get(field)
  if (!column) return []
  const wanted = normaliseFacet(text ?? '')
  const typos = allowedTypos(index, wanted)
  const found: { value: FacetValue; count: number }[] = []
  column.counts(docs).forEach((count, code) => {
    const value = column.value(code)
    if (count === 0 || !value || 'number' in value) return
    if (value.text.startsWith(wanted) || (typos > 0 && editDistance(wanted, value.text, typos, true) <= typos)) {
      found.push({ value, count })
    }
  })
  order(index, field, found)
  const limit = index.settings.faceting.maxValuesPerFacet
  return found.slice(0, limit).map(({ value, count }) => ({ value: shown(value), count }))
}
