/** A predicate as a JavaScript test of rows, built from closures. */

import type { Column, Json, Row } from '../schema/schema.ts'
import type { ComparisonOperator, Leaf, Predicate, Value } from './ast.ts'
import { scaleOf } from './comparand.ts'
import { likeTest } from './like.ts'
import { parseExact } from './literal.ts'
import { compareAscii, compareDecimal, compareDouble, compareText, decimalToDouble, hugeToDouble } from './order.ts'
import { type PositiveNode, positive } from './positive.ts'

export type RowTest = (row: Row) => boolean

/** True exactly where the SQL form is TRUE. Rows are canonical; a missing column is NULL. */
export function toTest(predicate: Predicate): RowTest {
  return compile(positive(predicate))
}

function compile(node: PositiveNode): RowTest {
  switch (node.kind) {
    case 'constant':
      return () => node.value
    case 'and':
    case 'or':
      return combine(node.kind, node.children.map(compile))
    default:
      return compileLeaf(node)
  }
}

function combine(kind: 'and' | 'or', tests: readonly RowTest[]): RowTest {
  const [first, second] = tests
  if (first !== undefined && second !== undefined && tests.length === 2) {
    return kind === 'and' ? row => first(row) && second(row) : row => first(row) || second(row)
  }
  return kind === 'and' ? row => tests.every(test => test(row)) : row => tests.some(test => test(row))
}

function compileLeaf(leaf: Leaf): RowTest {
  switch (leaf.kind) {
    case 'isNull': {
      const { name } = leaf.column
      return leaf.negated ? row => row[name] != null : row => row[name] == null
    }
    case 'fixed': {
      const { name } = leaf.column
      return leaf.truth ? row => row[name] != null : () => false
    }
    case 'compare':
      return compareTest(leaf.column, leaf.op, leaf.value)
    case 'compareAsDouble': {
      const read = readDouble(leaf.column)
      return orderTest(leaf.column, leaf.op, value => compareDouble(read(value), leaf.value))
    }
    case 'compareColumns':
      return columnsTest(leaf)
    case 'in':
      return inTest(leaf)
    case 'like': {
      const { name } = leaf.column
      const test = likeTest(leaf.pattern)
      return row => {
        const value = row[name]
        return typeof value === 'string' && test(value) !== leaf.negated
      }
    }
  }
}

/** A comparison with a value of the column's own type. */
function compareTest(column: Column, op: ComparisonOperator, value: Value): RowTest {
  const { name } = column
  if (typeof value === 'string') {
    if (op === '=') return row => row[name] === value
    const compare = textOrder(column)
    return orderTest(column, op, actual => (typeof actual === 'string' ? compare(actual, value) : Number.NaN))
  }
  if (typeof value === 'boolean') {
    return orderTest(column, op, actual => Number(actual) - Number(value))
  }
  const read = readDouble(column)
  return orderTest(column, op, actual => compareDouble(read(actual), value))
}

/** `compare` gets a value that is not NULL. */
function orderTest(column: Column, op: ComparisonOperator, compare: (value: Json) => number): RowTest {
  const { name } = column
  const ordered = operatorTest(op)
  return row => {
    const value = row[name]
    return value != null && ordered(compare(value))
  }
}

function operatorTest(op: ComparisonOperator): (order: number) => boolean {
  switch (op) {
    case '=':
      return order => order === 0
    case '<>':
      return order => order < 0 || order > 0
    case '<':
      return order => order < 0
    case '<=':
      return order => order <= 0
    case '>':
      return order => order > 0
    case '>=':
      return order => order >= 0
  }
}

/** The order of the texts in which a column's values travel. */
function textOrder(column: Column): (a: string, b: string) => number {
  if (column.type === 'String') return compareText
  return column.type === 'Int64' || column.type === 'Decimal' ? compareDecimal : compareAscii
}

/** A canonical value of a numeric column, cast to DOUBLE as DuckDB does. */
function readDouble(column: Column): (value: Json) => number {
  const scale = scaleOf(column)
  if (column.type === 'Int64') return value => hugeToDouble(BigInt(String(value)))
  if (column.type === 'Decimal') return value => decimalToDouble(parseExact(String(value)).unscaled, scale)
  return value => (typeof value === 'number' ? value : Number(value)) // "NaN", "Infinity", "-Infinity"
}

function inTest({ column, values, negated }: Leaf & { kind: 'in' }): RowTest {
  const { name } = column
  const wanted = new Set<Json>(values) // a Set takes NaN for itself, and -0 for 0
  if (column.type !== 'Double') {
    return row => {
      const value = row[name]
      return value != null && wanted.has(value) !== negated
    }
  }
  return row => {
    const value = row[name]
    return value != null && wanted.has(Number(value)) !== negated
  }
}

function columnsTest(leaf: Leaf & { kind: 'compareColumns' }): RowTest {
  const ordered = operatorTest(leaf.op)
  const compare = columnsOrder(leaf)
  const [left, right] = [leaf.left.name, leaf.right.name]
  return row => {
    const a = row[left]
    const b = row[right]
    return a != null && b != null && ordered(compare(a, b))
  }
}

function columnsOrder({ left, right, meeting }: Leaf & { kind: 'compareColumns' }): (a: Json, b: Json) => number {
  switch (meeting) {
    case 'timestamp': {
      const [a, b] = [left, right].map(column => (column.type === 'Date' ? midnight : String))
      return (x, y) => compareAscii(a?.(x) ?? '', b?.(y) ?? '')
    }
    case 'exact': {
      const scale = Math.max(scaleOf(left), scaleOf(right))
      return (x, y) => compareBigint(unscaledAt(x, scale), unscaledAt(y, scale))
    }
    case 'double': {
      const [a, b] = [readDouble(left), readDouble(right)]
      return (x, y) => compareDouble(a(x), b(y))
    }
    case 'same': {
      if (left.type === 'Boolean') return (x, y) => Number(x) - Number(y)
      if (left.type === 'Int32' || left.type === 'Double') {
        const read = readDouble(left)
        return (x, y) => compareDouble(read(x), read(y))
      }
      const compare = textOrder(left)
      return (x, y) => compare(String(x), String(y))
    }
  }
}

function midnight(date: Json): string {
  return `${String(date)}T00:00:00.000000Z`
}

function unscaledAt(value: Json, scale: number): bigint {
  const exact = parseExact(String(value))
  return exact.unscaled * 10n ** BigInt(scale - exact.scale)
}

function compareBigint(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}
