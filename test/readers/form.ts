/** Comparing what a reader shows with our own rows in canonical JSON. */

import type { Json, Row, TableSchema, ValueType } from '../../engine/schema/schema.ts'
import { normaliserOf } from '../../engine/schema/values.ts'
import type { LakeReader, LakeRow } from './reader.ts'

/**
 * Rows of a reader in canonical JSON, only the columns of the schema: a JSON column's text becomes its value, a blob's size
 * a number, -0 is 0. Throws a `ValueProblem` for a value that no row of a Table may hold, but for a time that was rounded up to
 * the year 10000.
 */
export function canonicalRows(schema: TableSchema, rows: readonly LakeRow[]): Row[] {
  return rows.map(row => mapColumns(schema, row, canonical))
}

/** What the last half millisecond of the year 9999 is rounded up to; no row of a Table may hold it. */
const beyondTimes = '+010000-01-01T00:00:00.000000Z'

function canonical(type: ValueType, value: Json): Json {
  if (type.type === 'JSON' && typeof value === 'string') return normaliserOf(type)(JSON.parse(value))
  if (type.type === 'Timestamp' && value === beyondTimes) return value
  if (type.type === 'Blob' && isStruct(value)) return normaliserOf(type)({ ...value, size: Number(value.size) })
  return normaliserOf(type)(value)
}

/** Our own canonical rows as fine as the reader sees them: what its rows in canonical JSON are equal to. */
export function asSeenBy(reader: Pick<LakeReader, 'timestamps'>, schema: TableSchema, rows: readonly Row[]): Row[] {
  if (reader.timestamps === 'microseconds') return [...rows]
  return rows.map(row =>
    mapColumns(schema, row, ({ type }, value) =>
      type === 'Timestamp' && typeof value === 'string' ? roundedToMilliseconds(value) : value,
    ),
  )
}

/** A time of canonical JSON rounded to the nearest millisecond. The end of the year 9999 becomes the year +010000. */
export function roundedToMilliseconds(time: string): string {
  const [, milliseconds = '', rest = ''] = /^(.+\.\d{3})(\d{3})Z$/.exec(time) ?? []
  const rounded = Date.parse(`${milliseconds}Z`) + (Number(rest) >= 500 ? 1 : 0)
  return new Date(rounded).toISOString().replace('Z', '000Z')
}

/** Rows in the order of the columns' values as text: readers give them in none. */
export function inOrder<R extends LakeRow>(rows: readonly R[], ...columns: readonly string[]): R[] {
  const key = (row: R): string => JSON.stringify(columns.map(column => row[column] ?? null))
  return rows.toSorted((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0))
}

function mapColumns(schema: TableSchema, row: LakeRow, map: (type: ValueType, value: Json) => Json): Row {
  const entries = schema.columns.map(column => {
    const value = row[column.name] ?? null
    const { items, type } = column
    if (value === null) return [column.name, null]
    if (type !== 'Array') return [column.name, map({ ...column, type }, value)]
    if (items === undefined || !isList(value)) throw new TypeError(`${column.name} is no array`)
    return [column.name, value.map(item => (item === null ? null : map(items, item)))]
  })
  return Object.fromEntries(entries)
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value)

const isStruct = (value: Json): value is { readonly [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
