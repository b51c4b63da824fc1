/** The tree of a predicate after binding: every column known, every value in its column's canonical form. */

import type { Column } from '../schema/schema.ts'

export type ComparisonOperator = '=' | '<>' | '<' | '<=' | '>' | '>='

/**
 * A value in the canonical form of the column it is compared with (see `Row`): text for String, Int64, Decimal, Date, Timestamp
 * and UUID; number for Int32 and Double (NaN and the infinities as numbers); boolean.
 */
export type Value = string | number | boolean

/** How two columns of different types are brought together. */
export type Meeting = 'same' | 'exact' | 'double' | 'timestamp'

/** A condition on one column, or on two. Its truth is TRUE, FALSE or NULL as in SQL. */
export type Leaf =
  | { readonly kind: 'isNull'; readonly column: Column; readonly negated: boolean }
  /** `truth` wherever the column is not NULL: what is left of a comparison that every value of the type answers alike. */
  | { readonly kind: 'fixed'; readonly column: Column; readonly truth: boolean }
  | { readonly kind: 'compare'; readonly column: Column; readonly op: ComparisonOperator; readonly value: Value }
  /** Int32, Int64 or Decimal compared after a cast to DOUBLE, which rounds. */
  | {
      readonly kind: 'compareAsDouble'
      readonly column: Column
      readonly op: ComparisonOperator
      readonly value: number
    }
  | {
      readonly kind: 'compareColumns'
      readonly left: Column
      readonly op: ComparisonOperator
      readonly right: Column
      readonly meeting: Meeting
    }
  /** `values` is not empty; `hasNull` when the list holds NULL too. */
  | {
      readonly kind: 'in'
      readonly column: Column
      readonly values: readonly Value[]
      readonly hasNull: boolean
      readonly negated: boolean
    }
  | { readonly kind: 'like'; readonly column: Column; readonly pattern: string; readonly negated: boolean }

export type Node =
  | { readonly kind: 'constant'; readonly value: boolean | null }
  | { readonly kind: 'not'; readonly child: Node }
  | { readonly kind: 'and' | 'or'; readonly children: readonly Node[] }
  | Leaf

/** A `where` that was parsed, bound to a schema and found well typed. Immutable. */
export type Predicate = { readonly root: Node }

/** The columns that a predicate reads, each once. */
export function columnsOf(predicate: Predicate): readonly Column[] {
  const found = new Map<string, Column>()
  const visit = (node: Node): void => {
    switch (node.kind) {
      case 'constant':
        return
      case 'not':
        visit(node.child)
        return
      case 'and':
      case 'or':
        for (const child of node.children) visit(child)
        return
      case 'compareColumns':
        found.set(node.left.name, node.left).set(node.right.name, node.right)
        return
      default:
        found.set(node.column.name, node.column)
    }
  }
  visit(predicate.root)
  return [...found.values()]
}
