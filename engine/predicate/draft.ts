/** A predicate as it was written: columns found, literals not yet of any column's type. */

import type { Column } from '../schema/schema.ts'
import type { ComparisonOperator } from './ast.ts'

/** SQL types that a literal may be cast to or written as. */
export type LiteralType =
  | {
      readonly name:
        | 'VARCHAR'
        | 'INTEGER'
        | 'BIGINT'
        | 'DOUBLE'
        | 'BOOLEAN'
        | 'DATE'
        | 'TIMESTAMP'
        | 'TIMESTAMPTZ'
        | 'UUID'
    }
  | { readonly name: 'DECIMAL'; readonly precision: number; readonly scale: number }

export type Literal =
  | { readonly kind: 'null' }
  /** A bare string, which takes the type of what it is compared with. */
  | { readonly kind: 'text'; readonly text: string }
  /** `unscaled` / 10^`scale`; `type` is the SQL type that the parser gave it. */
  | { readonly kind: 'exact'; readonly unscaled: bigint; readonly scale: number; readonly type: string }
  | { readonly kind: 'double'; readonly value: number }
  /** A literal cast to `type`; `from` is the type of the literal when that is a number. */
  | { readonly kind: 'cast'; readonly text: string; readonly from?: string; readonly type: LiteralType }

/** `at`: 1-based position in the text of the predicate, in characters. */
export type Operand =
  | { readonly kind: 'column'; readonly column: Column; readonly at: number }
  | { readonly kind: 'literal'; readonly literal: Literal; readonly at: number }

export type Draft =
  | { readonly kind: 'constant'; readonly value: boolean | null }
  | { readonly kind: 'not'; readonly child: Draft }
  | { readonly kind: 'and' | 'or'; readonly children: readonly Draft[] }
  | { readonly kind: 'column'; readonly column: Column; readonly at: number }
  | { readonly kind: 'isNull'; readonly column: Column; readonly negated: boolean }
  | {
      readonly kind: 'compare'
      readonly op: ComparisonOperator
      readonly left: Operand
      readonly right: Operand
      readonly at: number
    }
  | {
      readonly kind: 'between'
      readonly input: Operand
      readonly lower: Operand
      readonly upper: Operand
      readonly at: number
    }
  | {
      readonly kind: 'in'
      readonly input: Operand
      readonly list: readonly Operand[]
      readonly negated: boolean
      readonly at: number
    }
  | {
      readonly kind: 'like'
      readonly input: Operand
      readonly pattern: Operand
      readonly negated: boolean
      readonly at: number
    }
