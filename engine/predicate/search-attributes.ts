/**
 * Hidden attributes of a search document on which filters are exact. The search server folds case, trims, rounds numbers to
 * doubles and takes a missing value for a false one, so every value is written as text of a few ASCII characters that
 * sorts as the value does, and NULL as a text of its own.
 */

import type { Column, Json, Row, TableSchema } from '../schema/schema.ts'
import type { Value } from './ast.ts'
import { parseExact } from './literal.ts'

/** The attribute's text for NULL. It sorts below every value, all of which start with `v`. */
export const nullText = 'n'

/** Lower bound of the text of every value. */
export const valuePrefix = 'v'

/**
 * Bytes of a text that are written. The server compares at most 468 bytes of a filterable string; hexadecimal takes two a byte.
 * A literal shorter than this is still compared exactly with texts that were cut.
 */
export const maxTextBytes = 200

/** A hidden attribute that every document has, with the text `v`. */
export const documentAttribute = '_where'

/** The hidden attribute of a column. Users' columns never start with `_`. */
export function hiddenAttribute(column: string): string {
  return `_where_${column}`
}

/** Attributes that must be filterable (and never displayed or searchable) so that filters can use the columns. */
export function searchAttributes(schema: TableSchema, columns: readonly string[]): readonly string[] {
  return [documentAttribute, ...columnsNamed(schema, columns).map(column => hiddenAttribute(column.name))]
}

/** The hidden attributes of a row, to be merged into its search document. Every one is present, also for NULL. */
export function toSearchDocument(
  row: Row,
  schema: TableSchema,
  columns: readonly string[],
): Readonly<Record<string, string>> {
  const texts = columnsNamed(schema, columns).map(column => {
    return [hiddenAttribute(column.name), encode(column, row[column.name] ?? null)] as const
  })
  return { [documentAttribute]: valuePrefix, ...Object.fromEntries(texts) }
}

/** The hidden text of a value; one character for a type that is only ever tested for NULL. */
export function encode(column: Column, value: Json | Value): string {
  if (value === null) return nullText
  switch (column.type) {
    case 'String':
      return valuePrefix + Buffer.from(String(value)).subarray(0, maxTextBytes).toString('hex')
    case 'Int32':
    case 'Int64':
      return valuePrefix + hex64(BigInt(String(value)) + 2n ** 63n)
    case 'Decimal': {
      const digits = (column.precision ?? 38) + 1
      return (
        valuePrefix + (parseExact(String(value)).unscaled + 10n ** BigInt(digits - 1)).toString().padStart(digits, '0')
      )
    }
    case 'Double':
      return valuePrefix + hex64(orderedBits(Number(value)))
    case 'Boolean':
      return valuePrefix + (value === true ? '1' : '0')
    case 'Date':
    case 'Timestamp':
    case 'UUID':
      return valuePrefix + String(value).replace(/[^0-9a-f]/g, '')
    default:
      return valuePrefix
  }
}

function columnsNamed(schema: TableSchema, names: readonly string[]): readonly Column[] {
  const wanted = new Set(names)
  return schema.columns.filter(column => wanted.has(column.name))
}

function hex64(bits: bigint): string {
  return bits.toString(16).padStart(16, '0')
}

/** The bits of a double, changed so that they sort as unsigned integers: -0 is 0, NaN above infinity. */
function orderedBits(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value === 0 ? 0 : value)
  const bits = Number.isNaN(value) ? 0x7ff8000000000000n : view.getBigUint64(0)
  const sign = 1n << 63n
  return bits & sign ? bits ^ (2n ** 64n - 1n) : bits | sign
}
