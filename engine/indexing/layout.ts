/** Which columns an Index uses and for what, and which attributes of its documents hold them. */

import { createHash } from 'node:crypto'
import { BlastyError } from '../../base/errors.ts'
import { searchAttributes, toFilter } from '../predicate/predicate.ts'
import type { Column, TableSchema } from '../schema/schema.ts'

export type RankingRule = 'Words' | 'Typo' | 'Proximity' | 'Attribute' | 'Sort' | 'Exactness'

/** The spec of an Index, as far as it decides what is in the search server. */
export type IndexSpec = {
  readonly searchable?: readonly string[]
  readonly filterable?: readonly string[]
  readonly sortable?: readonly string[]
  readonly ranking?: readonly RankingRule[]
  readonly synonyms?: Readonly<Record<string, readonly string[]>>
  readonly stopWords?: readonly string[]
  readonly typoTolerance?: {
    readonly enabled: boolean
    readonly oneTypoMinCharacters: number
    readonly twoTyposMinCharacters: number
  }
}

/** An IndexSpec bound to the columns of a schema. */
export type IndexLayout = {
  readonly searchable: readonly Column[]
  readonly filterable: readonly Column[]
  readonly sortable: readonly Column[]
  /** The GeoPoint column, held in `_geo`. */
  readonly geo: Column | undefined
  /** Changes when documents written before must be written anew. */
  readonly fingerprint: string
}

/** Attributes of a document that no column has: columns never start with `_`. */
export const idAttribute = '_id'
export const keyAttribute = '_key'
export const revisionAttribute = '_rev'
export const geoAttribute = '_geo'

/** Finds the documents of rows and no other. */
export const everyRow = toFilter({ root: { kind: 'constant', value: true } })

/** Version of the documents' form; a new one has every Index filled anew. */
const formVersion = 1

const texts: ReadonlySet<string> = new Set(['String', 'UUID'])
const searchableTypes: ReadonlySet<string> = new Set([...texts, 'Int32', 'Int64', 'Decimal'])
const orderedTypes: ReadonlySet<string> = new Set([...searchableTypes, 'Double', 'Boolean', 'Date', 'Timestamp'])

type Use = {
  readonly name: 'searchable' | 'filterable' | 'sortable'
  readonly fits: (column: Column) => boolean
  readonly allowed: string
}

const uses: readonly Use[] = [
  {
    name: 'searchable',
    fits: column => searchableTypes.has(itemType(column)),
    allowed: 'String, UUID, Int32, Int64, Decimal and arrays of them can be searched',
  },
  {
    name: 'filterable',
    fits: column => column.type === 'GeoPoint' || orderedTypes.has(itemType(column)),
    allowed: 'Bytes, JSON, Blob and arrays of GeoPoint cannot be filtered in this version',
  },
  {
    name: 'sortable',
    fits: column => column.type === 'GeoPoint' || orderedTypes.has(column.type),
    allowed: 'Array, Bytes, JSON and Blob cannot be sorted by',
  },
]

function itemType(column: Column): string {
  return column.type === 'Array' ? (column.items?.type ?? '') : column.type
}

/** True for columns whose facet values are text, which alone can be searched. */
export function isText(column: Column): boolean {
  return texts.has(itemType(column))
}

/** What is wrong with a spec for a Table, in sentences for people; empty when nothing is. */
export function indexProblems(spec: IndexSpec, schema: TableSchema): readonly string[] {
  const problems: string[] = []
  if (schema.primaryKey.length === 0) {
    problems.push('the Table has no primaryKey; only rows with a key can be indexed in this version')
  }
  const geo = new Set<string>()
  for (const { name: use, fits, allowed } of uses) {
    for (const name of spec[use] ?? []) {
      const column = schema.columns.find(candidate => candidate.name === name)
      if (column?.type === 'GeoPoint') geo.add(name)
      if (schema.retired.some(gone => gone.name === name)) problems.push(`${use}: column ${name} is retired`)
      else if (column === undefined) problems.push(`${use}: the Table has no column ${name}`)
      else if (!fits(column)) problems.push(`${use}: column ${name} is ${described(column)}; ${allowed}`)
    }
  }
  if (geo.size > 1) problems.push(`an Index holds at most one GeoPoint, this one names ${[...geo].join(' and ')}`)
  return problems
}

function described({ type, items }: Column): string {
  return type === 'Array' ? `an Array of ${items?.type ?? 'nothing'}` : `of type ${type}`
}

/** Binds a spec to a schema. Throws INVALID_ARGUMENT with the problems that `indexProblems` tells. */
export function indexLayout(spec: IndexSpec, schema: TableSchema): IndexLayout {
  const problems = indexProblems(spec, schema)
  if (problems.length > 0) throw new BlastyError('INVALID_ARGUMENT', { field: 'spec', problem: problems.join('; ') })
  const byName = new Map(schema.columns.map(column => [column.name, column]))
  const columns = (names: readonly string[] = []) => names.flatMap(name => byName.get(name) ?? [])
  const searchable = columns(spec.searchable)
  const filterable = columns(spec.filterable)
  const sortable = columns(spec.sortable)
  const form = [searchable, filterable, sortable].map(used => used.map(formOf).toSorted())
  return {
    searchable,
    filterable,
    sortable,
    geo: [...filterable, ...sortable].find(column => column.type === 'GeoPoint'),
    fingerprint: createHash('sha256')
      .update(JSON.stringify([formVersion, form]))
      .digest('base64url'),
  }
}

/** What of a column decides how its values are written. */
function formOf({ name, type, precision, scale, items }: Column): string {
  return JSON.stringify([name, type, precision, scale, items?.type, items?.precision, items?.scale])
}

/** Attributes that filters use, hidden ones and those of facets. */
export function filterAttributes(layout: IndexLayout, schema: TableSchema): readonly string[] {
  const names = layout.filterable.map(column => column.name)
  const plain = layout.filterable.map(column => (column.type === 'GeoPoint' ? geoAttribute : column.name))
  return [...searchAttributes(schema, names), ...plain]
}

/** Types of which one document may hold text and another a number, when a value is too large for a double. */
const wideTypes: ReadonlySet<string> = new Set(['Int64', 'Decimal'])

/** The attribute that hits are sorted by: rounded to a double where the plain one may be text. */
export function sortAttribute({ name, type }: Column): string {
  if (type === 'GeoPoint') return geoAttribute
  return wideTypes.has(type) ? `_sort_${name}` : name
}
