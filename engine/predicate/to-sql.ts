/** The SQL of a predicate, written anew from its tree. */

import type { Column } from '../schema/schema.ts'
import { quoteIdentifier, quoteText } from '../sql/quote.ts'
import type { Leaf, Node, Predicate, Value } from './ast.ts'
import { scaleOf, wholeDigitsOf } from './comparand.ts'

/**
 * A DuckDB expression, TRUE, FALSE or NULL as the user's text is, that no row makes fail. Its names are the columns',
 * unqualified; the session's time zone must be UTC (`lockdownStatements`), for a Date meets a Timestamp at midnight there.
 */
export function toSql(predicate: Predicate): string {
  return write(predicate.root)
}

function write(node: Node): string {
  switch (node.kind) {
    case 'constant':
      return node.value === null ? 'CAST(NULL AS BOOLEAN)' : String(node.value)
    case 'not':
      return `(NOT ${write(node.child)})`
    case 'and':
    case 'or':
      return `(${node.children.map(write).join(node.kind === 'and' ? ' AND ' : ' OR ')})`
    default:
      return writeLeaf(node)
  }
}

function writeLeaf(leaf: Leaf): string {
  switch (leaf.kind) {
    case 'isNull':
      return `(${name(leaf.column)} IS ${leaf.negated ? 'NOT ' : ''}NULL)`
    case 'fixed':
      return leaf.truth ? `(${name(leaf.column)} IS NOT NULL OR NULL)` : `(${name(leaf.column)} IS NULL AND NULL)`
    case 'compare':
      return `(${name(leaf.column)} ${leaf.op} ${literal(leaf.column, leaf.value)})`
    case 'compareAsDouble':
      return `(CAST(${name(leaf.column)} AS DOUBLE) ${leaf.op} ${double(leaf.value)})`
    case 'compareColumns': {
      const [left, right] = [leaf.left, leaf.right].map(column => met(column, leaf))
      return `(${left} ${leaf.op} ${right})`
    }
    case 'in': {
      const list = leaf.values.map(value => literal(leaf.column, value))
      if (leaf.hasNull) list.push('NULL')
      return `(${name(leaf.column)} ${leaf.negated ? 'NOT IN' : 'IN'} (${list.join(', ')}))`
    }
    case 'like':
      return `(${name(leaf.column)} ${leaf.negated ? 'NOT LIKE' : 'LIKE'} ${quoteText(leaf.pattern)})`
  }
}

function name(column: Column): string {
  return quoteIdentifier(column.name)
}

function met(column: Column, leaf: Leaf & { kind: 'compareColumns' }): string {
  switch (leaf.meeting) {
    case 'same':
      return name(column)
    case 'double':
      return `CAST(${name(column)} AS DOUBLE)`
    case 'timestamp':
      return `CAST(${name(column)} AS TIMESTAMPTZ)`
    case 'exact': {
      const scale = Math.max(scaleOf(leaf.left), scaleOf(leaf.right))
      const whole = Math.max(wholeDigitsOf(leaf.left), wholeDigitsOf(leaf.right))
      return `CAST(${name(column)} AS DECIMAL(${whole + scale}, ${scale}))`
    }
  }
}

const sqlTypes: Readonly<Partial<Record<Column['type'], string>>> = {
  Int32: 'INTEGER',
  Int64: 'BIGINT',
  Boolean: 'BOOLEAN',
  Date: 'DATE',
  Timestamp: 'TIMESTAMPTZ',
  UUID: 'UUID',
}

function literal(column: Column, value: Value): string {
  if (column.type === 'Double') return double(Number(value))
  if (column.type === 'Decimal') return `CAST('${value}' AS DECIMAL(${column.precision ?? 38}, ${scaleOf(column)}))`
  const type = sqlTypes[column.type]
  return type === undefined ? quoteText(String(value)) : `CAST(${quoteText(String(value))} AS ${type})`
}

function double(value: number): string {
  return `CAST('${value}' AS DOUBLE)`
}
