/** The types of a translated expression: what a Table's columns are in both engines, and the wide sums that DuckDB makes. */

import { BlastyError } from '../../../base/errors.ts'
import type { Column } from '../../schema/schema.ts'

export type SqlType =
  | { readonly kind: 'Boolean' | 'Int32' | 'Int64' | 'Double' | 'String' | 'UUID' | 'Bytes' | 'Date' | 'Timestamp' }
  /** A sum of whole numbers: HUGEINT in DuckDB, `decimal(38, 0)` in Trino. */
  | { readonly kind: 'Huge' }
  | Decimal
  /** Types of which values are selected, counted and tested for NULL, and nothing else. */
  | { readonly kind: 'JSON' | 'GeoPoint' | 'Blob' | 'Array' }

export type Decimal = { readonly kind: 'Decimal'; readonly precision: number; readonly scale: number }

/** A piece of Trino's text with what is known of its value. */
export type Term = {
  readonly sql: string
  readonly type: SqlType
  /** Text that has yet to become what it is compared with, or NULL of any type. */
  readonly open?: { readonly text: string } | { readonly null: true }
  /** A literal that is not NaN. */
  readonly finite?: boolean
  /** Holds an aggregate. */
  readonly aggregate: boolean
}

/** How errors name what is not translated. Throws UNSUPPORTED. */
export function untranslated(
  what: string,
  instead = 'write it in another way, or set query.engine to Embedded',
): never {
  throw new BlastyError('UNSUPPORTED', { what: `${what} in SQL that runs on Trino`, instead })
}

export function typeOf({ type, precision = 38, scale = 0 }: Column): SqlType {
  return type === 'Decimal' ? { kind: 'Decimal', precision, scale } : { kind: type }
}

const names: Readonly<Record<Exclude<SqlType['kind'], 'Decimal' | 'JSON' | 'GeoPoint' | 'Blob' | 'Array'>, string>> = {
  Boolean: 'boolean',
  Int32: 'integer',
  Int64: 'bigint',
  Huge: 'decimal(38, 0)',
  Double: 'double',
  String: 'varchar',
  UUID: 'varchar',
  Bytes: 'varbinary',
  Date: 'date',
  Timestamp: 'timestamp(6) with time zone',
}

/** Trino's name of a type. Throws UNSUPPORTED for those that nothing is cast to. */
export function trinoType(type: SqlType): string {
  switch (type.kind) {
    case 'Decimal':
      return `decimal(${type.precision}, ${type.scale})`
    case 'JSON':
    case 'GeoPoint':
    case 'Blob':
    case 'Array':
      return untranslated(`a value of type ${type.kind} in an expression`)
    default:
      return names[type.kind]
  }
}

export const isWhole = ({ kind }: SqlType): boolean => kind === 'Int32' || kind === 'Int64'
export const isExact = (type: SqlType): boolean => isWhole(type) || type.kind === 'Huge' || type.kind === 'Decimal'
export const isNumeric = (type: SqlType): boolean => isExact(type) || type.kind === 'Double'

/** Types that can be compared, grouped by and sorted. */
export const isComparable = ({ kind }: SqlType): boolean => !['JSON', 'GeoPoint', 'Blob', 'Array'].includes(kind)

/** A whole number as the decimal that both engines make of it. */
export function asDecimal(type: SqlType): Decimal {
  switch (type.kind) {
    case 'Decimal':
      return type
    case 'Int32':
      return { kind: 'Decimal', precision: 10, scale: 0 }
    case 'Int64':
      return { kind: 'Decimal', precision: 19, scale: 0 }
    default:
      return { kind: 'Decimal', precision: 38, scale: 0 }
  }
}

export const sameType = (a: SqlType, b: SqlType): boolean =>
  a.kind === b.kind &&
  (a.kind !== 'Decimal' || b.kind !== 'Decimal' || (a.precision === b.precision && a.scale === b.scale))
