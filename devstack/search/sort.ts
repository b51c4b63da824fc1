/** The order of hits: ranking rules, sorts by field and by distance. */
import { ApiError, type Code } from './errors.ts'
import { matchesPattern } from './flatten.ts'
import { distanceMetres, type Point } from './geo.ts'
import type { Matched } from './rank.ts'
import type { SearchIndex } from './search-index.ts'
import { customRule } from './settings.ts'

export type Sort = { field: string; descending: boolean } | { centre: Point; descending: boolean }

const geoPoint = /^_geoPoint\(\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)\s*\)$/

/** Parses `field:asc` and `_geoPoint(lat, lng):asc`; refuses attributes that are not sortable. */
export function parseSorts(index: SearchIndex, given: readonly string[], code: Code): Sort[] {
  const { sortableAttributes } = index.settings
  return given.map(text => {
    const match = /^(.+):(asc|desc)$/.exec(text.trim())
    const name = match?.[1]
    if (name === undefined) {
      throw new ApiError(
        code,
        `Invalid syntax for the sort parameter: expected expression ending by \`:asc\` or \`:desc\`, found \`${text}\`.`,
      )
    }
    const descending = match?.[2] === 'desc'
    const point = geoPoint.exec(name)
    const field = point ? '_geo' : name
    if (!sortableAttributes.some(pattern => matchesPattern(pattern, field))) {
      const available =
        sortableAttributes.length === 0
          ? 'This index does not have configured sortable attributes.'
          : `Available sortable attributes are: \`${sortableAttributes.toSorted().join(', ')}\`.`
      throw new ApiError(code, `Index \`${index.record.uid}\`: Attribute \`${field}\` is not sortable. ${available}`)
    }
    return point ? { centre: { lat: Number(point[1]), lng: Number(point[2]) }, descending } : { field, descending }
  })
}

/** One number a document; less comes first. */
export type SortKey = (doc: number) => number

export function sortKey(index: SearchIndex, sort: Sort): SortKey {
  if ('centre' in sort) {
    return doc => {
      const point = index.geo.get(doc)
      if (!point) return Number.POSITIVE_INFINITY
      const metres = distanceMetres(sort.centre, point)
      return sort.descending ? -metres : metres
    }
  }
  const column = index.columns.get(sort.field)
  return doc => column?.sortKey(doc, sort.descending) ?? Number.POSITIVE_INFINITY
}

/** The rules that a named rule stands for. */
const parts: { [rule: string]: string[] } = {
  attribute: ['attributeRank', 'wordPosition'],
  exactness: ['exactAttribute', 'exactWords'],
}

/** How documents are ordered, and the ranking score of each. */
export type Order = { keys: SortKey[]; score: (doc: number) => number; sortKeys: SortKey[] }

/** A score in (0, 1] that puts the given rules one after the other. */
function scoreOf(matched: Matched, rules: readonly string[]): (doc: number) => number {
  return doc => {
    let rank = 1
    let of = 1
    for (const rule of rules) {
      const one = matched.rank(rule, doc)
      if (!one) continue
      rank = (rank - 1) * one[1] + one[0]
      of *= one[1]
    }
    return rank / of
  }
}

/** The order that the settings' ranking rules and the sorts of a search give. */
export function orderOf(index: SearchIndex, matched: Matched | undefined, sorts: readonly Sort[]): Order {
  const keys: SortKey[] = []
  const sortKeys = sorts.map(sort => sortKey(index, sort))
  const rules: string[] = []
  for (const rule of index.settings.rankingRules) {
    const custom = customRule(rule)
    if (custom) keys.push(sortKey(index, custom))
    else if (rule === 'sort') keys.push(...sortKeys)
    else if (matched) {
      for (const name of parts[rule] ?? [rule]) {
        rules.push(name)
        keys.push(doc => cost(matched.rank(name, doc)))
      }
    }
  }
  return { keys, score: matched ? scoreOf(matched, rules) : () => 1, sortKeys }
}

const cost = (rank: [rank: number, of: number] | undefined): number => (rank ? rank[1] - rank[0] : 0)

/**
 * The first `count` documents in order; ties keep the order of document numbers. Each key parts the documents into
 * buckets, and a later key is asked only inside the buckets that are needed.
 */
export function firstOf(docs: readonly number[], keys: readonly SortKey[], count: number): number[] {
  const found: number[] = []
  const take = (bucket: readonly number[], level: number): void => {
    const key = keys[level]
    if (!key || bucket.length === 1) {
      for (let i = 0; i < bucket.length && found.length < count; i++) found.push(bucket[i] ?? 0)
      return
    }
    const buckets = new Map<number, number[]>()
    for (const doc of bucket) {
      const value = key(doc)
      const same = buckets.get(value)
      if (same) same.push(doc)
      else buckets.set(value, [doc])
    }
    for (const value of Float64Array.from(buckets.keys()).sort()) {
      if (found.length >= count) return
      take(buckets.get(value) ?? [], level + 1)
    }
  }
  if (docs.length > 0) take(docs, 0)
  return found
}
