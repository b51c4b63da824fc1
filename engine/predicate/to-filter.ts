/** A predicate as a filter of the search server, over the hidden attributes that the indexer writes. */

import { BlastyError } from '../../base/errors.ts'
import type { Column } from '../schema/schema.ts'
import type { ComparisonOperator, Leaf, Predicate, Value } from './ast.ts'
import { likePrefix } from './like.ts'
import { type PositiveNode, positive } from './positive.ts'
import { documentAttribute, encode, hiddenAttribute, maxTextBytes, nullText, valuePrefix } from './search-attributes.ts'

/** Matches every document that the indexer wrote, and none. */
const always = `${documentAttribute} = "${valuePrefix}"`
const never = `${documentAttribute} = "${nullText}"`

/**
 * A filter that matches exactly the documents of the rows for which the predicate is TRUE; a document without the
 * attributes matches nothing. No operator of the server that keeps NULL or missing values (`!=`, `NOT`) stands alone.
 * Throws `UNSUPPORTED` for what a filter cannot say.
 */
export function toFilter(predicate: Predicate): string {
  return write(positive(predicate))
}

/** The server refuses brackets nested 200 deep; a leaf brings up to two of its own. */
const maxDepth = 190

function write(node: PositiveNode, depth = 0): string {
  if (depth > maxDepth) return refuse(`a condition nested more than ${maxDepth} deep`)
  switch (node.kind) {
    case 'constant':
      return node.value ? always : never
    case 'and':
    case 'or':
      return `(${node.children.map(child => write(child, depth + 1)).join(node.kind === 'and' ? ' AND ' : ' OR ')})`
    default:
      return writeLeaf(node)
  }
}

function writeLeaf(leaf: Leaf): string {
  switch (leaf.kind) {
    case 'isNull':
      return leaf.negated ? present(leaf.column) : equal(leaf.column, nullText)
    case 'fixed':
      return leaf.truth ? present(leaf.column) : never
    case 'compare':
      return compare(leaf.column, leaf.op, textOf(leaf.column, leaf.value))
    case 'in': {
      const list = leaf.values.map(value => `"${textOf(leaf.column, value)}"`).join(', ')
      const attribute = hiddenAttribute(leaf.column.name)
      return leaf.negated ? `(${present(leaf.column)} AND ${attribute} NOT IN [${list}])` : `${attribute} IN [${list}]`
    }
    case 'like':
      return like(leaf)
    case 'compareAsDouble':
      return refuse(`${leaf.column.name} ${leaf.op} ${leaf.value}, which rounds ${leaf.column.name} to a double,`)
    case 'compareColumns':
      return refuse(`comparing the columns ${leaf.left.name} and ${leaf.right.name}`)
  }
}

function compare(column: Column, op: ComparisonOperator, text: string): string {
  const attribute = hiddenAttribute(column.name)
  switch (op) {
    case '=':
      return equal(column, text)
    case '<>':
      return `(${present(column)} AND ${attribute} != "${text}")`
    case '<':
    case '<=':
      return `(${present(column)} AND ${attribute} ${op} "${text}")`
    default:
      return `${attribute} ${op} "${text}"`
  }
}

function like({ column, pattern, negated }: Leaf & { kind: 'like' }): string {
  const found = likePrefix(pattern)
  if (found === undefined) return refuse(`LIKE '${pattern}', which is more than a prefix,`)
  const low = textOf(column, found.prefix)
  if (!found.open) return compare(column, negated ? '<>' : '=', low)
  const attribute = hiddenAttribute(column.name)
  const high = `${low}g` // above every text that continues `low` with a hexadecimal digit
  return negated
    ? `((${present(column)} AND ${attribute} < "${low}") OR ${attribute} >= "${high}")`
    : `(${attribute} >= "${low}" AND ${attribute} < "${high}")`
}

function equal(column: Column, text: string): string {
  return `${hiddenAttribute(column.name)} = "${text}"`
}

function present(column: Column): string {
  return `${hiddenAttribute(column.name)} >= "${valuePrefix}"`
}

/** The hidden text of a literal, which must be shorter than what is written of a row's text. */
function textOf(column: Column, value: Value): string {
  if (column.type === 'String' && Buffer.byteLength(String(value)) >= maxTextBytes) {
    return refuse(`comparing ${column.name} with a text of ${maxTextBytes} bytes or more`)
  }
  return encode(column, value)
}

function refuse(what: string): never {
  throw new BlastyError('UNSUPPORTED', { what: `${what} in a search filter`, instead: 'use SQL or a subscription' })
}
