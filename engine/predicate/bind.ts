/** From a draft to a predicate: operands type-checked, literals cast by DuckDB, comparisons normalised. */

import { BlastyError } from '../../base/errors.ts'
import type { Column } from '../schema/schema.ts'
import type { ComparisonOperator, Node, Predicate, Value } from './ast.ts'
import { CastBatch, type Later } from './cast-batch.ts'
import { type Category, categoryOfColumn, commonCategory } from './category.ts'
import { type Comparand, comparison, scaleOf, wholeDigitsOf } from './comparand.ts'
import type { Draft, Operand } from './draft.ts'

const flipped: Readonly<Record<ComparisonOperator, ComparisonOperator>> = {
  '=': '=',
  '<>': '<>',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
}

/** Widest DECIMAL there is. */
const maxDigits = 38

/** Throws `INVALID_PREDICATE` when types do not fit or a literal cannot be cast. */
export async function bind(draft: Draft): Promise<Predicate> {
  const casts = new CastBatch()
  const root = bindNode(draft, casts)
  await casts.run()
  return { root: root() }
}

function bindNode(draft: Draft, casts: CastBatch): Later<Node> {
  switch (draft.kind) {
    case 'constant':
    case 'isNull':
      return () => draft
    case 'not': {
      const child = bindNode(draft.child, casts)
      return () => ({ kind: 'not', child: child() })
    }
    case 'and':
    case 'or': {
      const children = draft.children.map(child => bindNode(child, casts))
      return () => ({ kind: draft.kind, children: children.map(child => child()) })
    }
    case 'column':
      if (draft.column.type !== 'Boolean') refuse(`${draft.column.name} is not a condition: it is no Boolean`, draft.at)
      return () => ({ kind: 'compare', column: draft.column, op: '=', value: true })
    case 'compare': {
      const scope = scopeOf([draft.left, draft.right], draft.at)
      return compare(draft.left, draft.op, draft.right, scope, casts)
    }
    case 'between': {
      const scope = scopeOf([draft.input, draft.lower, draft.upper], draft.at)
      const lower = compare(draft.input, '>=', draft.lower, scope, casts)
      const upper = compare(draft.input, '<=', draft.upper, scope, casts)
      return () => ({ kind: 'and', children: [lower(), upper()] })
    }
    case 'in':
      return bindIn(draft, casts)
    case 'like':
      return bindLike(draft)
  }
}

/** What the operands of one construct are compared as. `textType`: what a bare string among them is cast to. */
type Scope = { readonly category: Category; readonly textType: string | undefined; readonly at: number }

function scopeOf(operands: readonly Operand[], at: number): Scope {
  const columns = operands.flatMap(operand => (operand.kind === 'column' ? [operand] : []))
  for (const { column, at: where } of columns) {
    if (categoryOfColumn(column) !== undefined) continue
    refuse(`${column.name} is of type ${column.type}, which can only be tested with IS NULL and IS NOT NULL`, where)
  }
  const [first] = columns
  if (first === undefined) return refuse('one side of a comparison must be a column', at)
  const category = commonCategory(operands)
  if (category === undefined) {
    return refuse(`${first.column.name} is of type ${first.column.type} and cannot be compared with this`, at)
  }
  return { category, textType: textTypeOf(category, operands, columns), at }
}

function textTypeOf(category: Category, operands: readonly Operand[], columns: readonly { column: Column }[]) {
  if (category !== 'exact') return textTypes[category]
  const types = new Set(columns.map(({ column }) => sqlTypeOf(column)))
  const mixed = operands.some(
    operand => operand.kind === 'literal' && operand.literal.kind !== 'text' && operand.literal.kind !== 'null',
  )
  const [only, another] = types
  return mixed || another !== undefined ? undefined : only
}

const textTypes: Readonly<Record<Exclude<Category, 'exact'>, string>> = {
  text: 'VARCHAR',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  date: 'DATE',
  timestamp: 'TIMESTAMPTZ',
  uuid: 'UUID',
}

/** The SQL type of a column of an exact type. */
function sqlTypeOf(column: Column): string {
  if (column.type === 'Decimal') return `DECIMAL(${column.precision ?? maxDigits}, ${scaleOf(column)})`
  return column.type === 'Int32' ? 'INTEGER' : 'BIGINT'
}

function compare(left: Operand, op: ComparisonOperator, right: Operand, scope: Scope, casts: CastBatch): Later<Node> {
  if (left.kind === 'column' && right.kind === 'column')
    return () => compareColumns(left.column, op, right.column, scope)
  if (left.kind === 'column' && right.kind === 'literal') {
    const comparand = comparandOf(left.column, right, scope, casts)
    return () => comparison(left.column, op, comparand())
  }
  if (left.kind === 'literal' && right.kind === 'column') return compare(right, flipped[op], left, scope, casts)
  return refuse('one side of a comparison must be a column', left.at)
}

function compareColumns(left: Column, op: ComparisonOperator, right: Column, scope: Scope): Node {
  const same = left.type === right.type && scaleOf(left) === scaleOf(right)
  if (scope.category === 'double') {
    return { kind: 'compareColumns', left, op, right, meeting: left.type === 'Double' && same ? 'same' : 'double' }
  }
  if (same) return { kind: 'compareColumns', left, op, right, meeting: 'same' }
  if (scope.category === 'timestamp') return { kind: 'compareColumns', left, op, right, meeting: 'timestamp' }
  const digits = Math.max(wholeDigitsOf(left), wholeDigitsOf(right)) + Math.max(scaleOf(left), scaleOf(right))
  if (digits > maxDigits) {
    refuse(
      `${left.name} and ${right.name} cannot be compared exactly: that takes ${digits} digits, there are ${maxDigits}`,
      scope.at,
    )
  }
  return { kind: 'compareColumns', left, op, right, meeting: 'exact' }
}

function comparandOf(
  column: Column,
  operand: Operand & { kind: 'literal' },
  scope: Scope,
  casts: CastBatch,
): Later<Comparand> {
  const { literal, at } = operand
  if (literal.kind !== 'text') return casts.literal(literal, scope.category, column, at)
  if (scope.textType === undefined) return refuse('a quoted number cannot stand beside numbers that are not quoted', at)
  return casts.text(literal.text, scope.textType, scope.category, column, at)
}

function bindIn(draft: Draft & { kind: 'in' }, casts: CastBatch): Later<Node> {
  const { input, list, negated, at } = draft
  const scope = scopeOf([input, ...list], at)
  const members = list.map(member => compare(input, '=', member, scope, casts))
  return () => {
    const values = new Set<Value>()
    const others: Node[] = []
    let hasNull = false
    for (const member of members.map(later => later())) {
      if (member.kind === 'compare') values.add(member.value)
      else if (member.kind === 'constant') hasNull = true
      else if (member.kind !== 'fixed') others.push(member) // `fixed` is a value that the column cannot have
    }
    if (input.kind !== 'column' || values.size === 0) {
      return inverted({ kind: 'or', children: members.map(later => later()) }, negated)
    }
    const whole: Node = { kind: 'in', column: input.column, values: [...values], hasNull, negated: false }
    if (others.length > 0) return inverted({ kind: 'or', children: [whole, ...others] }, negated)
    return { ...whole, negated }
  }
}

function inverted(child: Node, negated: boolean): Node {
  return negated ? { kind: 'not', child } : child
}

function bindLike({ input, pattern, negated, at }: Draft & { kind: 'like' }): Later<Node> {
  if (input.kind !== 'column' || input.column.type !== 'String')
    return refuse('LIKE takes a String column on its left', at)
  const { column } = input
  if (pattern.kind !== 'literal') return refuse('LIKE takes a quoted pattern', pattern.at)
  const { literal } = pattern
  if (literal.kind === 'null') return () => ({ kind: 'constant', value: null })
  if (literal.kind !== 'text') return refuse('LIKE takes a quoted pattern', pattern.at)
  return () => ({ kind: 'like', column, pattern: literal.text, negated })
}

function refuse(problem: string, position: number): never {
  throw new BlastyError('INVALID_PREDICATE', { problem, position })
}
