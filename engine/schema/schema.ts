/** The schema in force of a Table, and the one form in which a row travels inside the process (DESIGN: canonical JSON). */

export const scalarTypes = [
  'String',
  'Int32',
  'Int64',
  'Double',
  'Decimal',
  'Boolean',
  'Date',
  'Timestamp',
  'UUID',
  'Bytes',
  'JSON',
  'GeoPoint',
  'Blob',
] as const
export type ScalarType = (typeof scalarTypes)[number]

/** The type of a column or of the items of an Array. `precision` and `scale` are set for Decimal only. */
export type ValueType = { readonly type: ScalarType; readonly precision?: number; readonly scale?: number }

export type Column = {
  readonly name: string
  readonly type: ScalarType | 'Array'
  readonly precision?: number
  readonly scale?: number
  /** Set for Array only. */
  readonly items?: ValueType
  /** Never null. Key columns always are. */
  readonly required: boolean
  /** Number in the generated protobuf message; never reused. */
  readonly field: number
}

/** A numbered schema, immutable once written to the bucket. */
export type TableSchema = {
  readonly number: number
  readonly columns: readonly Column[]
  readonly retired: readonly { readonly name: string; readonly field: number }[]
  /** Names of the key columns in order; empty for an append-only Table. */
  readonly primaryKey: readonly string[]
  readonly eventTime?: { readonly column: string; readonly maxLatenessSeconds: number }
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/**
 * One row, every column of the schema present, in canonical JSON:
 * String string · Int32 number · Int64 decimal string · Double number or "NaN" "Infinity" "-Infinity" ·
 * Decimal plain decimal string with exactly `scale` fraction digits · Boolean boolean · Date "2026-01-31" ·
 * Timestamp RFC 3339 in UTC with exactly six fraction digits, "2026-01-31T12:00:00.000000Z" ·
 * UUID lower case · Bytes padded base64 · JSON any value · GeoPoint {lat, lon} · Blob {sha256, size, type} · Array array.
 */
export type Row = { readonly [column: string]: Json }
