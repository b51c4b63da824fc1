/** Which types a predicate may compare with each other, and as what they are compared. */

import type { Column } from '../schema/schema.ts'
import type { Literal, Operand } from './draft.ts'

/** As what two values are compared. `exact`: integers and decimals, without rounding. */
export type Category = 'text' | 'exact' | 'double' | 'boolean' | 'date' | 'timestamp' | 'uuid'

const categories: Readonly<Partial<Record<Column['type'], Category>>> = {
  String: 'text',
  Int32: 'exact',
  Int64: 'exact',
  Decimal: 'exact',
  Double: 'double',
  Boolean: 'boolean',
  Date: 'date',
  Timestamp: 'timestamp',
  UUID: 'uuid',
}

const castCategories = {
  VARCHAR: 'text',
  INTEGER: 'exact',
  BIGINT: 'exact',
  DECIMAL: 'exact',
  DOUBLE: 'double',
  BOOLEAN: 'boolean',
  DATE: 'date',
  TIMESTAMP: 'timestamp',
  TIMESTAMPTZ: 'timestamp',
  UUID: 'uuid',
} as const satisfies Record<string, Category>

/** The category of a column; undefined for a type that can only be tested for NULL. */
export function categoryOfColumn(column: Column): Category | undefined {
  return categories[column.type]
}

/** The category of a literal; undefined for NULL and for a bare string, which take the other side's. */
export function categoryOfLiteral(literal: Literal): Category | undefined {
  switch (literal.kind) {
    case 'null':
    case 'text':
      return undefined
    case 'cast':
      return castCategories[literal.type.name]
    default:
      return literal.kind
  }
}

/** What the operands have in common; undefined when they cannot be compared. */
export function commonCategory(operands: readonly Operand[]): Category | undefined {
  const found = new Set<Category>()
  for (const operand of operands) {
    const category = operand.kind === 'column' ? categoryOfColumn(operand.column) : categoryOfLiteral(operand.literal)
    if (category !== undefined) found.add(category)
  }
  if (found.size === 2 && found.has('exact') && found.has('double')) return 'double'
  if (found.size === 2 && found.has('date') && found.has('timestamp')) return 'timestamp'
  const [only, another] = found
  return another === undefined ? only : undefined
}
