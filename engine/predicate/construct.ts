/** Names, for messages, of the constructs that a predicate may not hold. */

import type { TreeNode } from '../sql/tree.ts'

const operators: Readonly<Record<string, string>> = {
  '~~*': 'ILIKE',
  '!~~*': 'NOT ILIKE',
  '~~~': 'GLOB',
  like_escape: 'LIKE … ESCAPE',
  not_like_escape: 'LIKE … ESCAPE',
  ilike_escape: 'ILIKE',
  not_ilike_escape: 'ILIKE',
  regexp_full_match: 'a regular expression',
}

const classes: Readonly<Record<string, string>> = {
  SUBQUERY: 'a subquery',
  CASE: 'CASE',
  COLLATE: 'COLLATE',
  STAR: '*',
  WINDOW: 'a window function',
  LAMBDA: 'a lambda',
  DEFAULT: 'DEFAULT',
  POSITIONAL_REFERENCE: 'a column by its number',
}

/** What a user would call the node. */
export function constructOf(node: TreeNode): string {
  const name = typeof node.function_name === 'string' ? node.function_name : ''
  switch (node.class) {
    case 'FUNCTION':
      return operators[name] ?? (node.is_operator === true ? `the operator ${name}` : `the function ${name}()`)
    case 'PARAMETER':
      return `the parameter $${String(node.identifier)}`
    case 'CAST':
      return 'this cast'
    case 'COMPARISON':
      return node.type === 'COMPARE_NOT_DISTINCT_FROM' ? 'IS NOT DISTINCT FROM or IS TRUE' : 'IS DISTINCT FROM'
    case 'OPERATOR':
      return operatorNames[String(node.type)] ?? 'this operator'
    case 'CONSTANT':
      return 'this literal'
    default:
      return classes[String(node.class)] ?? 'this construct'
  }
}

const operatorNames: Readonly<Record<string, string>> = {
  ARRAY_EXTRACT: 'an element of an array',
  ARRAY_SLICE: 'a slice of an array',
  STRUCT_EXTRACT: 'a field of a struct',
  ARRAY_CONSTRUCTOR: 'an array',
  OPERATOR_COALESCE: 'COALESCE',
  OPERATOR_TRY: 'TRY',
}
