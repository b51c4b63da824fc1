/** A row as a document of the search server, one line of NDJSON. */

import { createHash } from 'node:crypto'
import { toSearchDocument } from '../predicate/predicate.ts'
import { dateDays, timestampMicros } from '../schema/key.ts'
import type { Column, Json, Row, TableSchema, ValueType } from '../schema/schema.ts'
import {
  geoAttribute,
  type IndexLayout,
  idAttribute,
  keyAttribute,
  revisionAttribute,
  sortAttribute,
} from './layout.ts'

/** Longest id of a document in bytes. */
const maxIdBytes = 511

/** Significant digits that every double keeps. */
const exactDigits = 15

/**
 * The document's id: the encoded key as base64url, or its SHA-256 when that is too long. The hyphen and length of the
 * second form are of no base64url text, so the two never meet.
 */
export function documentId(key: Buffer): string {
  const id = key.toString('base64url')
  return id.length <= maxIdBytes ? id : `h-${createHash('sha256').update(key).digest('base64url')}`
}

/** Writes the document of a row: `key` is the encoded key, `revision` the row's own. No line break is in it. */
export type WriteDocument = (key: Buffer, revision: number, row: Row) => string

/** Compiles the documents of an Index. */
export function documentWriter(layout: IndexLayout): WriteDocument {
  const { searchable, filterable, sortable, geo } = layout
  const used = new Map([...searchable, ...filterable, ...sortable].map(column => [column.name, column]))
  const plain = [...used.values()].filter(column => column.type !== 'GeoPoint')
  const rounded = sortable.filter(column => sortAttribute(column).startsWith('_sort_'))
  const hidden: TableSchema = { number: 0, columns: filterable, retired: [], primaryKey: [] }
  const hiddenNames = filterable.map(column => column.name)
  return (key, revision, row) => {
    const document: Record<string, unknown> = {
      [idAttribute]: documentId(key),
      [keyAttribute]: key.toString('base64url'),
      [revisionAttribute]: revision,
    }
    for (const column of plain) document[column.name] = attributeValue(column, row[column.name] ?? null)
    for (const column of rounded) document[sortAttribute(column)] = roundedNumber(row[column.name] ?? null)
    const point = geo === undefined ? undefined : pointOf(row[geo.name] ?? null)
    if (point !== undefined) document[geoAttribute] = point
    return JSON.stringify(Object.assign(document, toSearchDocument(row, hidden, hiddenNames)))
  }
}

/** A value as facets, sorting and words need it; undefined for NULL and for doubles that are no JSON numbers. */
function attributeValue(column: Column, value: Json): unknown {
  if (value === null) return undefined
  if (column.type !== 'Array') return scalarValue({ type: column.type }, value)
  const type = column.items ?? { type: 'String' }
  return Array.isArray(value) ? value.flatMap(item => scalarValue(type, item) ?? []) : undefined
}

function scalarValue({ type }: ValueType, value: Json): string | number | boolean | undefined {
  switch (type) {
    case 'Boolean':
      return value === true
    case 'Int32':
    case 'Double':
      return typeof value === 'number' ? value : undefined
    case 'Int64':
    case 'Decimal':
      return numberIfExact(String(value))
    case 'Date':
      return dateDays(String(value))
    case 'Timestamp':
      return Math.floor(Number(timestampMicros(String(value))) / 1000)
    default:
      return String(value)
  }
}

/** A decimal text as a number when that says the same, else as it is. */
function numberIfExact(text: string): number | string {
  const digits = text.replace(/[-.]/g, '').replace(/^0+/, '')
  if (digits.length <= exactDigits) return Number(text)
  const number = Number(text)
  return Number.isSafeInteger(number) && String(number) === text ? number : text
}

function roundedNumber(value: Json): number | undefined {
  return value === null ? undefined : Number(value)
}

function pointOf(value: Json): { lat: number; lng: number } | undefined {
  if (typeof value !== 'object' || value === null || !('lat' in value) || !('lon' in value)) return undefined
  return { lat: Number(value.lat), lng: Number(value.lon) }
}

/** A facet's value as the server tells it, in the canonical form of its column. */
export function facetText(column: Column, text: string): string {
  const { type } = column.type === 'Array' ? (column.items ?? column) : column
  if (type === 'Date') return new Date(Number(text) * 86_400_000).toISOString().slice(0, 10)
  if (type === 'Timestamp') return new Date(Number(text)).toISOString()
  return text
}
