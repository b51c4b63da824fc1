/** Functions and aggregates that are translated: this list is all of them. */

import { as, cast, together } from './operators.ts'
import { isComparable, isNumeric, isWhole, type SqlType, type Term, untranslated } from './types.ts'

type Call = (args: readonly Term[], name: string) => Term

const int64 = { kind: 'Int64' } as const
const text = { kind: 'String' } as const
const double = { kind: 'Double' } as const
const truth = { kind: 'Boolean' } as const

const wrong = (name: string): never => untranslated(`${name}() with these arguments`)

/** A call whose arguments are texts. */
const ofTexts =
  (count: number, type: SqlType, sql: (...texts: readonly string[]) => string): Call =>
  (args, name) => {
    const texts = args.map(arg => as(arg, text))
    if (args.length !== count || args.some(arg => arg.type.kind !== 'String')) return wrong(name)
    return { sql: sql(...texts.map(term => term.sql)), type, aggregate: args.some(({ aggregate }) => aggregate) }
  }

/** A part of a day or time as a number. */
const part =
  (unit: string, kinds: readonly SqlType['kind'][]): Call =>
  ([of, ...more], name) => {
    if (of === undefined || more.length > 0 || of.open !== undefined || !kinds.includes(of.type.kind))
      return wrong(name)
    return { sql: `${unit}(${of.sql})`, type: int64, aggregate: of.aggregate }
  }

const days = ['Date', 'Timestamp'] as const
const parts: Readonly<Record<string, Call>> = {
  year: part('year', days),
  quarter: part('quarter', days),
  month: part('month', days),
  day: part('day', days),
  hour: part('hour', ['Timestamp']),
  minute: part('minute', ['Timestamp']),
}

/** Units of `date_trunc`. */
const truncated: ReadonlySet<string> = new Set(['year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second'])

const textOf = (term: Term | undefined): string | undefined =>
  term?.open !== undefined && 'text' in term.open ? term.open.text : undefined

const wholeOf = (term: Term | undefined): number =>
  Number(/^(?:INTEGER|BIGINT) '(\d{1,9})'$/.exec(term?.sql ?? '')?.[1] ?? 'NaN')

const substring: Call = ([of, from, count], name) => {
  if (of === undefined || of.type.kind !== 'String') return wrong(name)
  const [start, length] = [wholeOf(from), count === undefined ? 0 : wholeOf(count)]
  if (!(start >= 1 && length >= 0)) return untranslated(`${name}() from or over what is no whole number above zero`)
  const given = count === undefined ? '' : `, ${length}`
  return { sql: `substr(${of.sql}, ${start}${given})`, type: text, aggregate: of.aggregate }
}

const rounded =
  (name: string): Call =>
  ([of, ...more]) => {
    if (of === undefined || more.length > 0 || of.type.kind !== 'Double') return wrong(name)
    return { sql: `${name}(${of.sql})`, type: double, aggregate: of.aggregate }
  }

const contains = ofTexts(2, truth, (of, part) => `(strpos(${of}, ${part}) > 0)`)
const startsWith = ofTexts(2, truth, (of, part) => `starts_with(${of}, ${part})`)
const length = ofTexts(1, int64, of => `length(${of})`)
const position = ofTexts(2, int64, (of, part) => `strpos(${of}, ${part})`)

export const calls: Readonly<Record<string, Call>> = {
  '||': ofTexts(2, text, (a, b) => `(${a} || ${b})`),
  length,
  len: length,
  strlen: ofTexts(1, int64, of => `length(CAST(${of} AS varbinary))`),
  contains,
  starts_with: startsWith,
  prefix: startsWith,
  strpos: position,
  instr: position,
  substring,
  substr: substring,
  ceil: rounded('ceil'),
  ceiling: rounded('ceil'),
  floor: rounded('floor'),
  ...parts,
  date_part: ([unit, of], name) => {
    const known = textOf(unit) ?? ''
    const call = Object.hasOwn(parts, known) ? parts[known] : undefined
    return call === undefined || of === undefined
      ? untranslated(`date_part of ${known || 'a unit that is computed'}`)
      : call([of], name)
  },
  date_trunc: ([unit, of], name) => {
    const known = textOf(unit) ?? ''
    if (!truncated.has(known) || of === undefined || of.type.kind !== 'Timestamp') return wrong(name)
    return { sql: `date_trunc('${known}', ${of.sql})`, type: of.type, aggregate: of.aggregate }
  },
  abs: ([of, ...more], name) => {
    if (of === undefined || more.length > 0 || !isNumeric(of.type) || of.type.kind === 'Huge') return wrong(name)
    return { sql: `abs(${of.sql})`, type: of.type, aggregate: of.aggregate }
  },
  nullif: ([a, b], name) => {
    if (a === undefined || b === undefined || a.type.kind === 'Double' || a.open !== undefined) return wrong(name)
    const { terms, type } = together([a, b])
    if (!isComparable(type) || type.kind === 'Double') return wrong(name)
    const [x = a, y = b] = terms
    const sql = `CASE WHEN ${x.sql} = ${y.sql} THEN NULL ELSE ${a.sql} END`
    return { sql, type: a.type, aggregate: a.aggregate || b.aggregate }
  },
}

/** An aggregate's text: `over` is the argument with DISTINCT, `filter` what follows the call. */
type Aggregate = (
  of: Term,
  over: (sql: string) => string,
  filter: string,
) => { readonly sql: string; readonly type: SqlType }

const wide = { kind: 'Huge' } as const

const sum: Aggregate = (of, over, filter) => {
  const type: SqlType =
    of.type.kind === 'Double' ? double : of.type.kind === 'Decimal' ? { ...of.type, precision: 38 } : wide
  if (!isNumeric(of.type) || of.type.kind === 'Huge') return wrong('sum')
  // Whole numbers are summed beyond 64 bits.
  return {
    sql: `sum(${over(isWhole(of.type) ? cast(of, { kind: 'Decimal', precision: 38, scale: 0 }).sql : of.sql)})${filter}`,
    type,
  }
}

const extreme =
  (name: 'min' | 'max'): Aggregate =>
  (of, over, filter) => {
    if (!isComparable(of.type) || of.type.kind === 'Boolean') return wrong(name)
    const plain = `${name}(${over(of.sql)})${filter}`
    // NaN is the greatest number in DuckDB; Trino's passes over it.
    const sql =
      of.type.kind === 'Double' && name === 'max'
        ? `CASE WHEN bool_or(is_nan(${of.sql}))${filter} THEN nan() ELSE ${plain} END`
        : plain
    return { sql, type: of.type }
  }

export const aggregates: Readonly<Record<string, Aggregate>> = {
  count: (of, over, filter) => ({ sql: `count(${over(of.sql)})${filter}`, type: int64 }),
  sum,
  avg: (of, over, filter) => {
    const total = sum(of, over, filter).sql
    if (of.type.kind === 'Double') return { sql: `avg(${over(of.sql)})${filter}`, type: double }
    return { sql: `(CAST(${total} AS double) / CAST(count(${over(of.sql)})${filter} AS double))`, type: double }
  },
  min: extreme('min'),
  max: extreme('max'),
}
