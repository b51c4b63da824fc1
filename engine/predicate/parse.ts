/** A `where` as text, parsed and bound to a schema. */

import { BlastyError } from '../../base/errors.ts'
import type { TableSchema } from '../schema/schema.ts'
import { parseSql } from '../sql/parser.ts'
import { locationOf, nodeAt, positionsIn, type Tree, type TreeNode } from '../sql/tree.ts'
import type { Predicate } from './ast.ts'
import { bind } from './bind.ts'
import { readWhere } from './read.ts'

const prefix = 'SELECT * FROM t WHERE '

/** Longest text of a predicate, in UTF-16 code units. */
export const maxPredicateLength = 16_384

/** Clauses that a text could append to the WHERE it stands in, by the field of the tree that would show them. */
const otherClauses: Readonly<Record<string, string>> = {
  modifiers: 'ORDER BY, LIMIT or DISTINCT',
  group_expressions: 'GROUP BY',
  group_sets: 'GROUP BY',
  having: 'HAVING',
  sample: 'a sample',
  qualify: 'QUALIFY',
}

/**
 * Parses one expression of the predicate grammar (`grammar.md`, beside this file) over the columns of `schema`.
 * Throws `INVALID_PREDICATE` with the construct and its 1-based position in characters.
 */
export async function parsePredicate(text: string, schema: TableSchema): Promise<Predicate> {
  if (text.length > maxPredicateLength) refuse(`the text is longer than ${maxPredicateLength} characters`, 1)
  if (!text.isWellFormed() || text.includes('\0')) refuse('the text is not valid Unicode without NUL', 1)
  const sql = prefix + text
  const parsed = await parseSql(sql)
  if (!parsed.ok) return refuse(parsed.problem, Math.max(1, (parsed.position ?? prefix.length) - prefix.length + 1))
  const [statement, second] = parsed.statements
  if (statement === undefined || second !== undefined)
    return refuse('it is more than one statement', text.indexOf(';') + 1)
  return bind(readWhere(whereOf(nodeAt(statement, 'node'), text), schema, sql, prefix.length))
}

/** The WHERE clause of a tree that holds nothing else than `SELECT * FROM t WHERE …`. */
function whereOf(select: TreeNode, text: string): TreeNode {
  if (select.type !== 'SELECT_NODE') return refuse('UNION, EXCEPT and INTERSECT are not supported in a predicate', 1)
  for (const [field, clause] of Object.entries(otherClauses)) {
    const found = select[field]
    if (!isEmpty(found)) refuse(`${clause} is not supported in a predicate`, positionsIn(text)(offsetOf(found)))
  }
  if (select.aggregate_handling !== 'STANDARD_HANDLING') refuse('GROUP BY is not supported in a predicate', 1)
  return nodeAt(select, 'where_clause')
}

function isEmpty(tree: Tree | undefined): boolean {
  return tree === null || (Array.isArray(tree) && tree.length === 0)
}

function offsetOf(tree: Tree | undefined): number {
  return (locationOf(tree) ?? prefix.length) - prefix.length
}

function refuse(problem: string, position: number): never {
  throw new BlastyError('INVALID_PREDICATE', { problem, position })
}
