/** Comparisons, arithmetic and casts that give in Trino what they give in DuckDB. */

import { closed } from './literals.ts'
import {
  asDecimal,
  type Decimal,
  isComparable,
  isExact,
  isNumeric,
  isWhole,
  type SqlType,
  sameType,
  type Term,
  trinoType,
  untranslated,
} from './types.ts'

export type Comparison = '=' | '<>' | '<' | '<=' | '>' | '>='

const some = (...terms: readonly Term[]): boolean => terms.some(({ aggregate }) => aggregate)

const boolean = (sql: string, ...of: readonly Term[]): Term => ({
  sql,
  type: { kind: 'Boolean' },
  aggregate: some(...of),
})

/** The type in which two meet: as `a = b`, CASE and COALESCE have it. Undefined when nothing is known to do the same in both. */
function meeting(a: SqlType, b: SqlType): SqlType | undefined {
  if (sameType(a, b)) return a
  if (!isNumeric(a) || !isNumeric(b)) return undefined
  if (a.kind === 'Double' || b.kind === 'Double') return { kind: 'Double' }
  if (isWhole(a) && isWhole(b)) return { kind: 'Int64' }
  if (a.kind === 'Huge' || b.kind === 'Huge') {
    const other = a.kind === 'Huge' ? b : a
    return isWhole(other) || (other.kind === 'Decimal' && other.scale === 0) ? { kind: 'Huge' } : undefined
  }
  const [x, y] = [asDecimal(a), asDecimal(b)]
  const scale = Math.max(x.scale, y.scale)
  const precision = Math.max(x.precision - x.scale, y.precision - y.scale) + scale
  return precision > 38 ? undefined : { kind: 'Decimal', precision, scale }
}

const named = (type: SqlType): string => (type.kind === 'Decimal' ? trinoType(type) : type.kind)

/** The term as one of that type. */
export function as(term: Term, type: SqlType): Term {
  const found = closed(term, type) ?? term
  if (sameType(found.type, type)) return found
  return {
    sql: `CAST(${found.sql} AS ${trinoType(type)})`,
    type,
    aggregate: term.aggregate,
    finite: found.finite === true,
  }
}

/** The terms as terms of one type. Throws UNSUPPORTED when they have none in common. */
export function together(terms: readonly Term[]): { readonly terms: readonly Term[]; readonly type: SqlType } {
  const typed = terms.filter(({ open }) => open === undefined)
  const texts = terms.filter(({ open }) => open !== undefined && 'text' in open)
  let type: SqlType | undefined = typed[0]?.type ?? texts[0]?.type
  if (type === undefined) return untranslated('NULL of no type', 'cast it')
  for (const one of typed) {
    const next: SqlType | undefined = meeting(type, one.type)
    if (next === undefined) return untranslated(`${named(type)} and ${named(one.type)} together`, 'cast one of them')
    type = next
  }
  const common = type
  return { terms: terms.map(term => as(term, common)), type: common }
}

/** DuckDB's NaN is equal to itself and above every number; in Trino nothing holds of it. */
export function compare(operator: Comparison, left: Term, right: Term): Term {
  const { terms, type } = together([left, right])
  const [a = left, b = right] = terms
  if (!isComparable(type)) untranslated(`a comparison of ${type.kind}`)
  const plain = `(${a.sql} ${operator} ${b.sql})`
  if (type.kind !== 'Double' || (a.finite === true && b.finite === true)) return boolean(plain, a, b)
  const nan = (term: Term): string => (term.finite === true ? 'false' : `is_nan(${term.sql})`)
  switch (operator) {
    case '=':
      return boolean(a.finite === true || b.finite === true ? plain : `(${plain} OR (${nan(a)} AND ${nan(b)}))`, a, b)
    case '<>':
      return boolean(`(NOT ${compare('=', a, b).sql})`, a, b)
    case '<':
      return boolean(`(${plain} OR (NOT ${nan(a)} AND ${nan(b)}))`, a, b)
    case '<=':
      return boolean(`(NOT ${compare('<', b, a).sql})`, a, b)
    case '>':
    case '>=':
      return compare(operator === '>' ? '<' : '<=', b, a)
  }
}

export function within(term: Term, options: readonly Term[], negated: boolean): Term {
  const { terms, type } = together([term, ...options])
  if (!isComparable(type)) untranslated(`IN with ${type.kind}`)
  const [of = term, ...list] = terms
  const sql =
    type.kind === 'Double'
      ? `(${list.map(option => compare('=', of, option).sql).join(' OR ')})`
      : `(${of.sql} IN (${list.map(option => option.sql).join(', ')}))`
  return boolean(negated ? `(NOT ${sql})` : sql, ...terms)
}

export function arithmetic(operator: string, left: Term, right: Term): Term {
  const [a, b] = left.open || right.open ? [...together([left, right]).terms] : [left, right]
  if (a === undefined || b === undefined || !isNumeric(a.type) || !isNumeric(b.type))
    return untranslated(`${operator} of ${named(left.type)} and ${named(right.type)}`)
  const aggregate = some(a, b)
  const double = { kind: 'Double' } as const
  const inDoubles = operator === '/' || a.type.kind === 'Double' || b.type.kind === 'Double'
  if (inDoubles && (operator === '/' || operator === '+' || operator === '-' || operator === '*'))
    return { sql: `(${as(a, double).sql} ${operator} ${as(b, double).sql})`, type: double, aggregate }
  if (isWhole(a.type) && isWhole(b.type)) {
    const type: SqlType = { kind: a.type.kind === 'Int64' || b.type.kind === 'Int64' ? 'Int64' : 'Int32' }
    if (operator === '//' || operator === '%') {
      // By zero it is NULL in DuckDB and an error in Trino.
      const sql = `(${as(a, type).sql} ${operator === '//' ? '/' : '%'} NULLIF(${as(b, type).sql}, 0))`
      return { sql, type, aggregate }
    }
    if (operator === '+' || operator === '-' || operator === '*')
      return { sql: `(${as(a, type).sql} ${operator} ${as(b, type).sql})`, type, aggregate }
  }
  const exact = a.type.kind !== 'Huge' && b.type.kind !== 'Huge' && isExact(a.type) && isExact(b.type)
  if (!exact || (operator !== '+' && operator !== '-' && operator !== '*'))
    return untranslated(`${operator} of ${named(a.type)} and ${named(b.type)}`, 'cast to DOUBLE')
  const type = decimalResult(operator, asDecimal(a.type), asDecimal(b.type))
  const sql = `CAST(${as(a, asDecimal(a.type)).sql} ${operator} ${as(b, asDecimal(b.type)).sql} AS ${trinoType(type)})`
  return { sql, type, aggregate }
}

/** As DuckDB has it: what two decimals of 64 bits make stays one where it can, and overflows otherwise. */
function decimalResult(operator: '+' | '-' | '*', a: Decimal, b: Decimal): Decimal {
  const scale = operator === '*' ? a.scale + b.scale : Math.max(a.scale, b.scale)
  const wide =
    operator === '*' ? a.precision + b.precision : Math.max(a.precision - a.scale, b.precision - b.scale) + scale + 1
  if (scale > 38) untranslated('a product of more than 38 decimals', 'cast to DOUBLE')
  const narrow = a.precision <= 18 && b.precision <= 18 && (operator !== '*' || scale < 18)
  return { kind: 'Decimal', scale, precision: Math.min(wide, narrow ? 18 : 38) }
}

/** CAST where both engines make the same of every value. */
export function cast(term: Term, type: SqlType): Term {
  const { kind } = term.type
  if (term.open !== undefined) {
    const found = closed(term, type)
    if (found !== undefined) return found
  }
  if (sameType(term.type, type)) return { ...term }
  const aggregate = term.aggregate
  const to = (sql: string): Term => ({ sql: `CAST(${sql} AS ${trinoType(type)})`, type, aggregate })
  if (type.kind === 'String') {
    if (kind === 'UUID') return { sql: term.sql, type, aggregate }
    if (isWhole(term.type) || kind === 'Huge' || kind === 'Boolean' || kind === 'Date') return to(term.sql)
  }
  if (isWhole(type) && isWhole(term.type)) return to(term.sql)
  if (type.kind === 'Double' && isExact(term.type)) return to(term.sql)
  if (type.kind === 'Decimal' && (isWhole(term.type) || kind === 'Decimal')) return to(term.sql)
  if (type.kind === 'Date' && kind === 'Timestamp') return to(term.sql)
  return untranslated(`a cast from ${named(term.type)} to ${named(type)}`)
}
