/** Values as Trino's text: every one is written anew from what it means, none is copied from the statement. */

import {
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBTimestampTZValue,
  type DuckDBValue,
} from '@duckdb/node-api'
import { literal } from '../../../backends/trino/tables.ts'
import { isNode, nodeAt, type Tree, type TreeNode, textAt } from '../tree.ts'
import { type SqlType, type Term, trinoType, untranslated } from './types.ts'

const constant = (type: SqlType, sql: string): Term => ({ sql, type, aggregate: false, finite: true })

const nullTerm: Term = { sql: 'NULL', type: { kind: 'Boolean' }, open: { null: true }, aggregate: false }

/** A text may turn out to be a date, a time, a number or a UUID, by what it is compared with. */
const textTerm = (text: string): Term => ({ ...constant({ kind: 'String' }, literal(text)), open: { text } })

function decimalTerm(unscaled: bigint, precision: number, scale: number): Term {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  const text = `${unscaled < 0n ? '-' : ''}${digits.slice(0, digits.length - scale)}${scale > 0 ? `.${digits.slice(-scale)}` : ''}`
  const type = { kind: 'Decimal', precision, scale } as const
  return constant(type, `CAST('${text}' AS ${trinoType(type)})`)
}

/** Trino's lexer has no word for what is no number. */
export function doubleTerm(value: number): Term {
  const type = { kind: 'Double' } as const
  if (Number.isNaN(value)) return { sql: 'nan()', type, aggregate: false }
  if (!Number.isFinite(value)) return constant(type, value > 0 ? 'infinity()' : '(-infinity())')
  return constant(type, `CAST('${Object.is(value, -0) ? '-0' : value}' AS double)`)
}

const wholeTerm = (kind: 'Int32' | 'Int64', value: bigint): Term =>
  constant({ kind }, `${kind === 'Int32' ? 'INTEGER' : 'BIGINT'} '${value}'`)

/** The parser writes numbers of 128 bits in two halves. */
function hugeTerm(value: Tree | undefined): Term {
  const halves = isNode(value) ? [value.upper, value.lower] : []
  const [upper, lower] = halves.map(half => (typeof half === 'number' || typeof half === 'bigint' ? BigInt(half) : 0n))
  const whole = ((upper ?? 0n) << 64n) + (lower ?? 0n)
  if (halves.length === 0 || /\d{39}/.test(String(whole))) untranslated('a whole number of more than 38 digits')
  return constant({ kind: 'Huge' }, `CAST('${whole}' AS decimal(38, 0))`)
}

const dayMillis = 86_400_000
const firstDay = Date.parse('0001-01-01T00:00:00Z') / dayMillis
const lastDay = Date.parse('9999-12-31T00:00:00Z') / dayMillis

function dateTerm(days: number): Term {
  if (!(days >= firstDay && days <= lastDay)) untranslated('a date before the year 1 or after 9999')
  return constant({ kind: 'Date' }, `DATE '${new Date(days * dayMillis).toISOString().slice(0, 10)}'`)
}

function timeTerm(micros: bigint): Term {
  const seconds = micros >= 0n ? micros / 1_000_000n : (micros - 999_999n) / 1_000_000n
  const days = Number(seconds) / 86_400
  if (!(days >= firstDay && days < lastDay + 1)) untranslated('a time before the year 1 or after 9999')
  const [date, rest = ''] = new Date(Number(seconds) * 1000).toISOString().split('T')
  const fraction = String(micros - seconds * 1_000_000n).padStart(6, '0')
  return constant({ kind: 'Timestamp' }, `TIMESTAMP '${date} ${rest.slice(0, 8)}.${fraction} UTC'`)
}

/** A literal of the statement's tree. */
export function literalOf(node: TreeNode): Term {
  const { is_null: isNull, value, type: typeNode } = nodeAt(node, 'value')
  if (isNull === true) return nullTerm
  const type = isNode(typeNode) ? typeNode : untranslated('this literal')
  const whole = typeof value === 'number' || typeof value === 'bigint' ? BigInt(value) : undefined
  switch (type.id) {
    case 'VARCHAR':
      return typeof value === 'string' ? textTerm(value) : untranslated('this literal')
    case 'BOOLEAN':
      return constant({ kind: 'Boolean' }, value === true ? 'true' : 'false')
    case 'INTEGER':
      return whole === undefined ? untranslated('this literal') : wholeTerm('Int32', whole)
    case 'BIGINT':
      return whole === undefined ? untranslated('this literal') : wholeTerm('Int64', whole)
    case 'HUGEINT':
      return hugeTerm(value)
    case 'DECIMAL': {
      const { width, scale } = nodeAt(type, 'type_info')
      if (whole === undefined || typeof width !== 'number' || typeof scale !== 'number')
        return untranslated('a decimal literal of more than 18 digits', 'give it as a parameter')
      return decimalTerm(whole, width, scale)
    }
    default:
      return untranslated(`a literal of type ${textAt(type, 'id')}`)
  }
}

/** A parameter as the embedded engine takes it: a number is a DOUBLE, a bigint a BIGINT. */
export function parameterTerm(value: DuckDBValue): Term {
  if (value === null) return nullTerm
  if (typeof value === 'boolean') return constant({ kind: 'Boolean' }, String(value))
  if (typeof value === 'bigint') return wholeTerm('Int64', value)
  if (typeof value === 'number') return doubleTerm(value)
  if (typeof value === 'string')
    return value.isWellFormed() ? textTerm(value) : untranslated('a text that is not valid Unicode')
  if (value instanceof DuckDBBlobValue)
    return constant({ kind: 'Bytes' }, `X'${Buffer.from(value.bytes).toString('hex').toUpperCase()}'`)
  if (value instanceof DuckDBDecimalValue) return decimalTerm(value.value, value.width, value.scale)
  if (value instanceof DuckDBDateValue) return dateTerm(value.days)
  if (value instanceof DuckDBTimestampTZValue) return timeTerm(value.micros)
  return untranslated('a parameter of this type')
}

const patterns = {
  date: /^(\d{4})-(\d{2})-(\d{2})$/,
  time: /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?)?(?:Z|\+00(?::00)?| UTC)?$/,
  uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  whole: /^-?\d{1,19}$/,
  decimal: /^(-?)(\d{1,38})(?:\.(\d{1,38}))?$/,
  double: /^(?:[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|NaN|-?Infinity)$/i,
} as const

/** The term as one of `type`, where it is text that is written plainly as one, or NULL; undefined when it is neither. */
export function closed(term: Term, type: SqlType): Term | undefined {
  if (term.open === undefined) return undefined
  if ('null' in term.open) return { sql: `CAST(NULL AS ${trinoType(type)})`, type, aggregate: false }
  const { text } = term.open
  if (type.kind === 'String') return { sql: term.sql, type, aggregate: false }
  return (
    readText(text, type) ??
    untranslated(`the text ${JSON.stringify(text.slice(0, 60))} as ${type.kind}`, 'write it plainly, times in UTC')
  )
}

function readText(text: string, type: SqlType): Term | undefined {
  switch (type.kind) {
    case 'Boolean':
      return /^(?:t|true)$/.test(text)
        ? constant(type, 'true')
        : /^(?:f|false)$/.test(text)
          ? constant(type, 'false')
          : undefined
    case 'Int32':
    case 'Int64': {
      const value = patterns.whole.test(text) ? BigInt(text) : undefined
      return value !== undefined && BigInt.asIntN(type.kind === 'Int32' ? 32 : 64, value) === value
        ? wholeTerm(type.kind, value)
        : undefined
    }
    case 'Double':
      return patterns.double.test(text) && isDouble(text) ? doubleTerm(Number(text)) : undefined
    case 'Decimal': {
      const [, sign = '', whole, fraction = ''] = patterns.decimal.exec(text) ?? []
      if (whole === undefined || fraction.length > type.scale) return undefined
      const digits = `${whole}${fraction.padEnd(type.scale, '0')}`.replace(/^0+(?=\d)/, '')
      return digits.length > type.precision ? undefined : decimalTerm(BigInt(sign + digits), type.precision, type.scale)
    }
    case 'UUID':
      return patterns.uuid.test(text) ? constant(type, literal(text.toLowerCase())) : undefined
    case 'Date': {
      const days = patterns.date.test(text) ? daysOf(text) : undefined
      return days === undefined ? undefined : dateTerm(days)
    }
    case 'Timestamp': {
      const [, date, time = '00:00:00', fraction = ''] = patterns.time.exec(text) ?? []
      const millis = date === undefined || daysOf(date) === undefined ? Number.NaN : Date.parse(`${date}T${time}Z`)
      if (Number.isNaN(millis) || time.startsWith('24')) return undefined
      return timeTerm(BigInt(millis) * 1000n + BigInt(fraction.padEnd(6, '0')))
    }
    default:
      return undefined
  }
}

/** `Date.parse` takes the 30th of February for the 2nd of March. */
function daysOf(date: string): number | undefined {
  const millis = Date.parse(`${date}T00:00:00Z`)
  if (Number.isNaN(millis) || new Date(millis).toISOString().slice(0, 10) !== date) return undefined
  return millis / dayMillis
}

/** False for what JavaScript does not read, and for numbers that are too large for a double, which DuckDB refuses. */
const isDouble = (text: string): boolean => /^(?:NaN|-?Infinity)$/.test(text) || Number.isFinite(Number(text))
