/** A predicate turned so that only "is it TRUE?" is left to ask: NOT pushed down to the leaves under three-valued logic. */

import type { ComparisonOperator, Leaf, Node, Predicate } from './ast.ts'

/** No `not`, no NULL: a leaf is satisfied where its SQL form is TRUE, an inverse leaf where that of its inverse is. */
export type PositiveNode =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'and' | 'or'; readonly children: readonly PositiveNode[] }
  | Leaf

const inverse: Readonly<Record<ComparisonOperator, ComparisonOperator>> = {
  '=': '<>',
  '<>': '=',
  '<': '>=',
  '<=': '>',
  '>': '<=',
  '>=': '<',
}

/** The same rows are TRUE. Every order used is total (NaN is equal to itself and greatest), so an operator has its inverse. */
export function positive(predicate: Predicate): PositiveNode {
  return wanted(predicate.root, true)
}

/** Satisfied where `node` is TRUE, or FALSE if `truth` is false. */
function wanted(node: Node, truth: boolean): PositiveNode {
  switch (node.kind) {
    case 'constant':
      return { kind: 'constant', value: node.value === truth }
    case 'not':
      return wanted(node.child, !truth)
    case 'and':
    case 'or': {
      const conjunction = (node.kind === 'and') === truth
      return { kind: conjunction ? 'and' : 'or', children: node.children.map(child => wanted(child, truth)) }
    }
    case 'fixed':
      return node.truth === truth
        ? { kind: 'isNull', column: node.column, negated: true }
        : { kind: 'constant', value: false }
    case 'in': {
      const negated = node.negated === truth
      return negated && node.hasNull ? { kind: 'constant', value: false } : { ...node, negated, hasNull: false }
    }
    case 'compare':
    case 'compareAsDouble':
    case 'compareColumns':
      return truth ? node : { ...node, op: inverse[node.op] }
    default:
      return truth ? node : { ...node, negated: !node.negated }
  }
}
