/** Evaluates filters to sets of documents, comparing as Meilisearch does. */
import { type Column, type FacetValue, normaliseFacet } from './column.ts'
import { ApiError, type Code } from './errors.ts'
import { type Comparison, type Filter, parseFilter } from './filter-parse.ts'
import { matchesPattern } from './flatten.ts'
import { distanceMetres, inBox, inPolygon, type Point } from './geo.ts'
import { compareText, type Json } from './json.ts'
import type { SearchIndex } from './search-index.ts'
import { filterablePatterns } from './settings.ts'

/** Documents as one byte each: 1 for those in the set. */
export type DocSet = Uint8Array

const numeric = /^[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)$/i

const numberOf = (text: string): number | undefined => (numeric.test(text.trim()) ? Number(text) : undefined)

/** The documents of an index that pass a filter; all when there is none. Throws with `code` when it is malformed. */
export function compileFilter(index: SearchIndex, filter: Json, code: Code): DocSet {
  const tree = parseFilter(filter, code)
  return tree ? new Evaluation(index, code).run(tree) : index.live.slice(0, index.end)
}

class Evaluation {
  readonly #index: SearchIndex
  readonly #code: Code

  constructor(index: SearchIndex, code: Code) {
    this.#index = index
    this.#code = code
  }

  run(filter: Filter): DocSet {
    switch (filter.op) {
      case 'and': {
        const [first, ...rest] = filter.of.map(one => this.run(one))
        const set = first ?? this.#none()
        for (const other of rest)
          for (let doc = 0; doc < set.length; doc++) set[doc] = (set[doc] ?? 0) & (other[doc] ?? 0)
        return set
      }
      case 'or': {
        const set = this.#none()
        for (const one of filter.of) {
          const other = this.run(one)
          for (let doc = 0; doc < set.length; doc++) set[doc] = (set[doc] ?? 0) | (other[doc] ?? 0)
        }
        return set
      }
      case 'not':
        return this.#complement(this.run(filter.of))
      case 'radius':
        return this.#inArea(point => distanceMetres(point, filter.centre) <= filter.metres)
      case 'box':
        return this.#inArea(point => inBox(point, filter.topRight, filter.bottomLeft))
      case 'polygon':
        return this.#inArea(point => inPolygon(point, filter.corners))
      case 'exists':
        return this.#flagged(filter, (column, doc) => column.exists(doc))
      case 'null':
        return this.#flagged(filter, (column, doc) => column.isNull(doc))
      case 'empty':
        return this.#flagged(filter, (column, doc) => column.isEmpty(doc))
      case '=':
        return this.#equal(this.#column(filter), [filter.value])
      case '!=':
        return this.#complement(this.#equal(this.#column(filter), [filter.value]))
      case 'in':
        return this.#equal(this.#column(filter), filter.values)
      default:
        return this.#ranged(this.#column(filter), test(filter))
    }
  }

  #none(): DocSet {
    return new Uint8Array(this.#index.end)
  }

  #complement(set: DocSet): DocSet {
    const { live } = this.#index
    for (let doc = 0; doc < set.length; doc++) set[doc] = (live[doc] ?? 0) & ~(set[doc] ?? 0)
    return set
  }

  #inArea(inside: (point: Point) => boolean): DocSet {
    if (!filterablePatterns(this.#index.settings).includes('_geo')) throw this.#notFilterable('_geo', '')
    const set = this.#none()
    this.#index.geo.select(inside, set)
    return set
  }

  /** The column of a condition's field; undefined when no document has the field. */
  #column(filter: Filter & { field: string }): Column | undefined {
    const { field } = filter
    if (!filterablePatterns(this.#index.settings).some(pattern => matchesPattern(pattern, field))) {
      throw this.#notFilterable(field, written(filter))
    }
    return this.#index.columns.get(field)
  }

  #notFilterable(field: string, condition: string): ApiError {
    const patterns = filterablePatterns(this.#index.settings).toSorted()
    const available =
      patterns.length === 0
        ? 'This index does not have configured filterable attributes.'
        : `Available filterable attribute patterns are: ${patterns.map(name => `\`${name}\``).join(', ')}.`
    return new ApiError(
      this.#code,
      `Index \`${this.#index.record.uid}\`: Attribute \`${field}\` is not filterable. ${available}\n2:${field.length + 2} ${condition}`,
    )
  }

  #flagged(filter: Filter & { field: string }, has: (column: Column, doc: number) => boolean): DocSet {
    const column = this.#column(filter)
    const set = this.#none()
    if (column) for (let doc = 0; doc < set.length; doc++) if (has(column, doc)) set[doc] = 1
    return set
  }

  #equal(column: Column | undefined, values: readonly string[]): DocSet {
    const set = this.#none()
    if (!column) return set
    const codes = new Uint8Array(column.codeCount)
    for (const value of values) {
      const number = numberOf(value)
      const asNumber = number === undefined ? undefined : column.codeOf(number)
      const asText = column.codeOf(normaliseFacet(value))
      if (asNumber !== undefined) codes[asNumber] = 1
      if (asText !== undefined) codes[asText] = 1
    }
    column.select(codes, set)
    return set
  }

  #ranged(column: Column | undefined, passes: (value: FacetValue) => boolean): DocSet {
    const set = this.#none()
    if (!column) return set
    const codes = new Uint8Array(column.codeCount)
    for (let code = 0; code < codes.length; code++) {
      const value = column.value(code)
      if (value && passes(value)) codes[code] = 1
    }
    column.select(codes, set)
    return set
  }
}

const holds = (order: number, op: Comparison): boolean =>
  op === '>' ? order > 0 : op === '>=' ? order >= 0 : op === '<' ? order < 0 : order <= 0

/** The test of a value for a range or a prefix: numbers compare with numbers, text with text. */
function test(filter: Filter & { field: string }): (value: FacetValue) => boolean {
  if (filter.op === 'to') {
    const low = test({ op: '>=', field: filter.field, value: filter.from })
    const high = test({ op: '<=', field: filter.field, value: filter.to })
    return value => low(value) && high(value)
  }
  if (filter.op === 'startsWith') {
    const prefix = normaliseFacet(filter.value)
    return value => 'text' in value && value.text.startsWith(prefix)
  }
  if (filter.op !== '>' && filter.op !== '>=' && filter.op !== '<' && filter.op !== '<=') {
    throw new Error(`not a range: ${filter.op}`)
  }
  const { op } = filter
  const number = numberOf(filter.value)
  const text = normaliseFacet(filter.value)
  return value =>
    'number' in value
      ? number !== undefined && holds(value.number - number, op)
      : holds(compareText(value.text, text), op)
}

/** A condition as error messages show it. */
const written = (filter: Filter & { field: string }): string =>
  'value' in filter && filter.op !== 'startsWith'
    ? `"${filter.field}" ${filter.op} "${filter.value}"`
    : `"${filter.field}"`
