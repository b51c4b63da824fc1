/** From the parser's tree of a WHERE clause to a draft: only the constructs of the grammar, only columns of the schema. */

import { BlastyError } from '../../base/errors.ts'
import type { Column, TableSchema } from '../schema/schema.ts'
import { foldName } from '../sql/quote.ts'
import { listAt, locationOf, nodeAt, nodesAt, positionsIn, type TreeNode, textAt } from '../sql/tree.ts'
import type { ComparisonOperator } from './ast.ts'
import { constructOf } from './construct.ts'
import type { Draft, Literal, Operand } from './draft.ts'
import { readCast, readConstant } from './literal.ts'

const comparisons: Readonly<Record<string, ComparisonOperator>> = {
  COMPARE_EQUAL: '=',
  COMPARE_NOTEQUAL: '<>',
  COMPARE_LESSTHAN: '<',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHAN: '>',
  COMPARE_GREATERTHANOREQUALTO: '>=',
}

/** Reads the tree of `sql`; positions are counted from `offset` bytes on, where the user's text begins. */
export function readWhere(where: TreeNode, schema: TableSchema, sql: string, offset: number): Draft {
  const columns = new Map(schema.columns.map(column => [foldName(column.name), column]))
  const positionOf = positionsIn(Buffer.from(sql).subarray(offset).toString())
  const at = (...nodes: TreeNode[]): number => {
    const [location = offset] = nodes.map(locationOf).filter(found => found !== undefined)
    return positionOf(location - offset)
  }
  const refuse = (
    node: TreeNode,
    problem = `${constructOf(node)} is not supported in a predicate`,
    parent = node,
  ): never => {
    throw new BlastyError('INVALID_PREDICATE', { problem, position: at(node, parent) })
  }

  const columnOf = (node: TreeNode): Column => {
    const names = listAt(node, 'column_names')
    if (names.length !== 1) refuse(node, `${names.join('.')}: columns are named without a table`)
    const name = String(names[0])
    return columns.get(foldName(name)) ?? refuse(node, `there is no column ${name}`)
  }

  const literalOf = (node: TreeNode): Literal | undefined => {
    if (node.class === 'CONSTANT') return readConstant(node)
    return node.class === 'CAST' ? readCast(node) : undefined
  }

  /** Parameters, casts and other nodes that the parser made know no place of their own; `parent` does. */
  const operand = (node: TreeNode, parent: TreeNode): Operand => {
    if (node.class === 'COLUMN_REF') return { kind: 'column', column: columnOf(node), at: at(node) }
    return { kind: 'literal', literal: literalOf(node) ?? refuse(node, undefined, parent), at: at(node, parent) }
  }

  const condition = (node: TreeNode): Draft => {
    switch (node.class) {
      case 'CONJUNCTION':
        return {
          kind: node.type === 'CONJUNCTION_AND' ? 'and' : 'or',
          children: nodesAt(node, 'children').map(condition),
        }
      case 'COMPARISON': {
        const op = comparisons[textAt(node, 'type')] ?? refuse(node)
        return {
          kind: 'compare',
          op,
          left: operand(nodeAt(node, 'left'), node),
          right: operand(nodeAt(node, 'right'), node),
          at: at(node),
        }
      }
      case 'BETWEEN':
        return {
          kind: 'between',
          input: operand(nodeAt(node, 'input'), node),
          lower: operand(nodeAt(node, 'lower'), node),
          upper: operand(nodeAt(node, 'upper'), node),
          at: at(node),
        }
      case 'OPERATOR':
        return operator(node)
      case 'FUNCTION':
        return like(node)
      case 'COLUMN_REF':
        return { kind: 'column', column: columnOf(node), at: at(node) }
      default:
        return truth(node)
    }
  }

  const operator = (node: TreeNode): Draft => {
    const children = nodesAt(node, 'children')
    const [first, ...rest] = children
    if (first === undefined) return refuse(node)
    switch (node.type) {
      case 'OPERATOR_NOT':
        return { kind: 'not', child: condition(first) }
      case 'OPERATOR_IS_NULL':
      case 'OPERATOR_IS_NOT_NULL': {
        if (first.class !== 'COLUMN_REF') return refuse(first, 'IS NULL and IS NOT NULL take a column')
        return { kind: 'isNull', column: columnOf(first), negated: node.type === 'OPERATOR_IS_NOT_NULL' }
      }
      case 'COMPARE_IN':
      case 'COMPARE_NOT_IN': {
        const negated = node.type === 'COMPARE_NOT_IN'
        return {
          kind: 'in',
          input: operand(first, node),
          list: rest.map(member => operand(member, node)),
          negated,
          at: at(node),
        }
      }
      default:
        return refuse(node)
    }
  }

  const like = (node: TreeNode): Draft => {
    const [input, pattern] = nodesAt(node, 'children')
    const name = textAt(node, 'function_name')
    if ((name !== '~~' && name !== '!~~') || node.is_operator !== true || !input || !pattern) return refuse(node)
    return {
      kind: 'like',
      input: operand(input, node),
      pattern: operand(pattern, node),
      negated: name === '!~~',
      at: at(node),
    }
  }

  /** A condition that is a literal: TRUE, FALSE or NULL. The parser writes TRUE as CAST('t' AS BOOLEAN). */
  const truth = (node: TreeNode): Draft => {
    const literal = literalOf(node)
    if (literal?.kind === 'null') return { kind: 'constant', value: null }
    const written = literal?.kind === 'cast' && literal.type.name === 'BOOLEAN' ? literal.text : undefined
    if (written === 't' || written === 'f') return { kind: 'constant', value: written === 't' }
    return refuse(node)
  }

  return condition(where)
}
