/** Results of queries by column, in the few shapes that travel: DuckDB's many types are folded into them. */

import {
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalType,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
  type DuckDBVector,
  JsonDuckDBValueConverter,
} from '@duckdb/node-api'
import type { Texts } from './texts.ts'

/** Column types of a result, as the API names them. */
export type ResultType =
  | 'Boolean'
  | 'Int32'
  | 'Int64'
  | 'Double'
  | 'Decimal'
  | 'String'
  | 'UUID'
  | 'Bytes'
  | 'Date'
  | 'Timestamp'
  | 'JSON'

export type ResultColumn = {
  readonly name: string
  readonly type: ResultType
  readonly precision?: number
  readonly scale?: number
}

/**
 * Values of one column. A null holds its array's zero value; `nulls` has one bit a row, least significant first, and is
 * empty when there is none. Date: days since 1970 · Timestamp: microseconds since 1970 · Decimal, JSON: text.
 */
export type ColumnValues = { readonly nulls: Uint8Array } & (
  | { readonly kind: 'bools'; readonly values: readonly boolean[] }
  | { readonly kind: 'int32s'; readonly values: Int32Array | readonly number[] }
  | { readonly kind: 'int64s'; readonly values: BigInt64Array | readonly bigint[] }
  | { readonly kind: 'doubles'; readonly values: Float64Array | readonly number[] }
  | { readonly kind: 'strings'; readonly values: Texts | readonly string[] }
  | { readonly kind: 'bytes'; readonly values: readonly Uint8Array[] }
)

export function resultColumn(name: string, type: DuckDBType): ResultColumn {
  switch (type.typeId) {
    case DuckDBTypeId.BOOLEAN:
      return { name, type: 'Boolean' }
    case DuckDBTypeId.TINYINT:
    case DuckDBTypeId.SMALLINT:
    case DuckDBTypeId.INTEGER:
    case DuckDBTypeId.UTINYINT:
    case DuckDBTypeId.USMALLINT:
      return { name, type: 'Int32' }
    case DuckDBTypeId.UINTEGER:
    case DuckDBTypeId.BIGINT:
      return { name, type: 'Int64' }
    // Wider than 64 bits, as sums of whole numbers are: exact as a decimal.
    case DuckDBTypeId.UBIGINT:
    case DuckDBTypeId.HUGEINT:
    case DuckDBTypeId.UHUGEINT:
      return { name, type: 'Decimal', precision: 38, scale: 0 }
    case DuckDBTypeId.FLOAT:
    case DuckDBTypeId.DOUBLE:
      return { name, type: 'Double' }
    case DuckDBTypeId.DECIMAL:
      return type instanceof DuckDBDecimalType
        ? { name, type: 'Decimal', precision: type.width, scale: type.scale }
        : { name, type: 'Decimal' }
    case DuckDBTypeId.UUID:
      return { name, type: 'UUID' }
    case DuckDBTypeId.BLOB:
      return { name, type: 'Bytes' }
    case DuckDBTypeId.DATE:
      return { name, type: 'Date' }
    case DuckDBTypeId.TIMESTAMP:
    case DuckDBTypeId.TIMESTAMP_S:
    case DuckDBTypeId.TIMESTAMP_MS:
    case DuckDBTypeId.TIMESTAMP_NS:
    case DuckDBTypeId.TIMESTAMP_TZ:
      return { name, type: 'Timestamp' }
    case DuckDBTypeId.VARCHAR:
      return { name, type: type.alias === 'JSON' ? 'JSON' : 'String' }
    case DuckDBTypeId.ENUM:
      return { name, type: 'String' }
    default:
      return { name, type: 'JSON' }
  }
}

/** The values of one column of some rows. */
export function columnValues(vector: Pick<DuckDBVector, 'type' | 'toArray'>, column: ResultColumn): ColumnValues {
  const values = vector.toArray()
  const nulls = nullBits(values)
  switch (column.type) {
    case 'Boolean':
      return { nulls, kind: 'bools', values: values.map(value => value === true) }
    case 'Int32':
      return { nulls, kind: 'int32s', values: values.map(value => (value === null ? 0 : Number(value))) }
    case 'Int64':
      return {
        nulls,
        kind: 'int64s',
        values: values.map(value => (value === null ? 0n : BigInt(value as bigint | number))),
      }
    case 'Double':
      return { nulls, kind: 'doubles', values: values.map(value => (value === null ? 0 : Number(value))) }
    case 'Date':
      return { nulls, kind: 'int32s', values: values.map(value => (value instanceof DuckDBDateValue ? value.days : 0)) }
    case 'Timestamp':
      return { nulls, kind: 'int64s', values: values.map(micros) }
    case 'Bytes':
      return {
        nulls,
        kind: 'bytes',
        values: values.map(value => (value instanceof DuckDBBlobValue ? value.bytes : new Uint8Array())),
      }
    case 'JSON':
      return vector.type.typeId === DuckDBTypeId.VARCHAR
        ? { nulls, kind: 'strings', values: values.map(text) }
        : {
            nulls,
            kind: 'strings',
            values: values.map(value => json(JsonDuckDBValueConverter(value, vector.type, JsonDuckDBValueConverter))),
          }
    case 'Decimal':
    case 'String':
    case 'UUID':
      return { nulls, kind: 'strings', values: values.map(text) }
  }
}

const text = (value: DuckDBValue): string => (value === null ? '' : String(value))
const json = (value: unknown): string => (value === null ? '' : JSON.stringify(value))

function micros(value: DuckDBValue): bigint {
  if (value instanceof DuckDBTimestampTZValue || value instanceof DuckDBTimestampValue) return value.micros
  if (value instanceof DuckDBTimestampNanosecondsValue) return value.nanos / 1000n
  if (value instanceof DuckDBTimestampMillisecondsValue) return value.millis * 1000n
  if (value instanceof DuckDBTimestampSecondsValue) return value.seconds * 1_000_000n
  return 0n
}

function nullBits(values: readonly DuckDBValue[]): Uint8Array {
  if (!values.includes(null)) return new Uint8Array()
  const bits = new Uint8Array(Math.ceil(values.length / 8))
  values.forEach((value, row) => {
    if (value === null) bits[row >> 3] = (bits[row >> 3] ?? 0) | (1 << (row & 7))
  })
  return bits
}
