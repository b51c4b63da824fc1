/** What a column is compared with, brought into the column's own type without changing any answer. */

import type { Column } from '../schema/schema.ts'
import type { ComparisonOperator, Leaf, Node } from './ast.ts'
import { formatExact } from './literal.ts'

/** The value of a literal once DuckDB has cast it. */
export type Comparand =
  | { readonly kind: 'null' }
  | { readonly kind: 'exact'; readonly unscaled: bigint; readonly scale: number }
  | { readonly kind: 'double'; readonly value: number }
  /** Canonical text of a String, Date, Timestamp or UUID. */
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  /** Canonical timestamp that a Date column is compared with. */
  | { readonly kind: 'instant'; readonly text: string }

const midnight = 'T00:00:00.000000Z'

/** `column op comparand`, normalised: a comparison with a value of the column's type, or one whose answer is fixed. */
export function comparison(column: Column, op: ComparisonOperator, comparand: Comparand): Node {
  switch (comparand.kind) {
    case 'null':
      return { kind: 'constant', value: null }
    case 'text':
      return { kind: 'compare', column, op, value: comparand.text }
    case 'boolean':
      return { kind: 'compare', column, op, value: comparand.value }
    case 'instant': {
      const date = comparand.text.slice(0, 10)
      return atFloor(column, op, date, comparand.text === date + midnight)
    }
    case 'exact':
      return exactComparison(column, op, comparand.unscaled, comparand.scale)
    case 'double':
      return doubleComparison(column, op, comparand.value)
  }
}

/** The scale of a column of the exact types. */
export function scaleOf(column: Column): number {
  return column.scale ?? 0
}

/** Digits before the point that a value of the column can have. */
export function wholeDigitsOf(column: Column): number {
  if (column.type === 'Int32') return 10
  return column.type === 'Int64' ? 19 : (column.precision ?? 0) - scaleOf(column)
}

function exactComparison(column: Column, op: ComparisonOperator, unscaled: bigint, scale: number): Leaf {
  const shift = 10n ** BigInt(Math.abs(scaleOf(column) - scale))
  const widened = scaleOf(column) >= scale ? unscaled * shift : unscaled
  const divisor = scaleOf(column) >= scale ? 1n : shift
  const remainder = widened % divisor
  const floor = widened / divisor - (remainder < 0n ? 1n : 0n)
  const [least, greatest] = boundsOf(column)
  if (floor > greatest) return { kind: 'fixed', column, truth: op === '<>' || op === '<' || op === '<=' }
  if (floor < least) return { kind: 'fixed', column, truth: op === '<>' || op === '>' || op === '>=' }
  const value = column.type === 'Int32' ? Number(floor) : formatExact(floor, scaleOf(column))
  return atFloor(column, op, value, remainder === 0n)
}

/** `column op x`, where `floor` is the greatest value of the column's type that is not above x, and x itself if `exact`. */
function atFloor(column: Column, op: ComparisonOperator, floor: string | number, exact: boolean): Leaf {
  if (exact) return { kind: 'compare', column, op, value: floor }
  switch (op) {
    case '=':
      return { kind: 'fixed', column, truth: false }
    case '<>':
      return { kind: 'fixed', column, truth: true }
    case '<':
    case '<=':
      return { kind: 'compare', column, op: '<=', value: floor }
    default:
      return { kind: 'compare', column, op: '>', value: floor }
  }
}

/** Least and greatest unscaled value. */
function boundsOf(column: Column): readonly [bigint, bigint] {
  if (column.type === 'Int32') return [-(2n ** 31n), 2n ** 31n - 1n]
  if (column.type === 'Int64') return [-(2n ** 63n), 2n ** 63n - 1n]
  const limit = 10n ** BigInt(column.precision ?? 0)
  return [1n - limit, limit - 1n]
}

/**
 * SQL casts the column to DOUBLE, which rounds. Near a whole number that, in units of the column's scale, stays within 2^50,
 * neighbouring values of the column are far more than the rounding apart, so that the exact comparison answers the same.
 */
function doubleComparison(column: Column, op: ComparisonOperator, value: number): Leaf {
  if (column.type === 'Double') return { kind: 'compare', column, op, value: value === 0 ? 0 : value }
  if (Number.isInteger(value) && Math.abs(value) * 10 ** scaleOf(column) <= 2 ** 50) {
    return exactComparison(column, op, BigInt(value), 0)
  }
  return { kind: 'compareAsDouble', column, op, value }
}
