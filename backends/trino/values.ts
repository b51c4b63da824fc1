/** Values of Trino's client protocol, made exact: whole numbers beyond 2^53, the doubles JSON has no word for, times. */

import { isObject, type TrinoType } from './types.ts'

/**
 * A value by the kind of its type: int32 and double number (NaN, infinities and -0 too) · int64 bigint · decimal and text
 * string · bytes Uint8Array · date number of days since 1970-01-01 · timestamp bigint of microseconds since then (finer
 * digits are cut off) · array array · row and map object by field or key · other as Trino writes it.
 */
export type TrinoValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly TrinoValue[]
  | { readonly [name: string]: TrinoValue }

/** Parses JSON in which whole numbers too large for a double become bigints. Throws a SyntaxError as `JSON.parse` does. */
export function parseExact(text: string): unknown {
  // Asking for the source of every number is dear, and only a number of 16 digits or more can be inexact.
  return /\d{16}/.test(text) ? JSON.parse(text, exactly) : JSON.parse(text)
}

function exactly(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  const source = context?.source
  return source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value
}

/** The value of a column of `type` from its JSON. Throws a TypeError for one that does not fit it. */
export function readValue(type: TrinoType, json: unknown): TrinoValue {
  if (json === null) return null
  switch (type.kind) {
    case 'boolean':
      if (typeof json === 'boolean') return json
      break
    case 'int32':
      if (typeof json === 'number') return json
      break
    case 'int64':
      if (typeof json === 'number' || typeof json === 'bigint') return BigInt(json)
      break
    case 'double':
      return readDouble(json)
    case 'decimal':
    case 'text':
      if (typeof json === 'string') return json
      break
    case 'bytes':
      if (typeof json === 'string') return Buffer.from(json, 'base64')
      break
    case 'date':
      if (typeof json === 'string') return readDate(json)
      break
    case 'timestamp':
      if (typeof json === 'string') return readTimestamp(json, type.zoned)
      break
    case 'array':
      if (Array.isArray(json)) return json.map(item => readValue(type.element, item))
      break
    case 'row':
      if (Array.isArray(json)) {
        return Object.fromEntries(
          type.fields.map(({ name, type: field }, index) => [name, readValue(field, json[index])]),
        )
      }
      break
    case 'map':
      if (isObject(json)) {
        return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, readValue(type.value, value)]))
      }
      break
    case 'other':
      return typeof json === 'string' ? json : (JSON.stringify(json) ?? null)
  }
  throw unfit(type.kind, json)
}

const unfit = (kind: string, json: unknown): TypeError =>
  new TypeError(
    `not of type ${kind}: ${String(JSON.stringify(json, (_, value) => (typeof value === 'bigint' ? String(value) : value))).slice(0, 100)}`,
  )

function readDouble(json: unknown): number {
  if (typeof json === 'number') return json
  if (typeof json === 'bigint') return Number(json)
  if (json === 'NaN' || json === 'Infinity' || json === '-Infinity') return Number(json)
  throw unfit('double', json)
}

const datePattern = /^([+-]?\d{4,})-(\d{2})-(\d{2})$/
const timestampPattern = /^([+-]?\d{4,}-\d{2}-\d{2}) (\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?: (\S+))?$/
const offsetPattern = /^([+-])(\d{2}):(\d{2})$/

/** Years have a sign beyond 0000 to 9999. */
function readDate(text: string): number {
  const [, year, month, day] = datePattern.exec(text) ?? []
  if (year === undefined) throw unfit('date', text)
  const date = new Date(0)
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day)) // Date.UTC takes the years 0 to 99 for 1900 to 1999
  return date.getTime() / 86_400_000
}

function readTimestamp(text: string, zoned: boolean): bigint {
  const [, day, hour, minute, second, fraction = '', zone] = timestampPattern.exec(text) ?? []
  if (day === undefined || zoned !== (zone !== undefined)) throw unfit('timestamp', text)
  const seconds = readDate(day) * 86_400 + Number(hour) * 3_600 + Number(minute) * 60 + Number(second)
  const micros = BigInt(seconds) * 1_000_000n + BigInt(fraction.slice(0, 6).padEnd(6, '0'))
  return micros - BigInt(offsetSeconds(zone)) * 1_000_000n
}

/** Zones by name would need a table of them: a query turns such times with `AT TIME ZONE 'UTC'`. */
function offsetSeconds(zone: string | undefined): number {
  if (zone === undefined || zone === 'UTC' || zone === 'Z') return 0
  const [, sign, hours, minutes] = offsetPattern.exec(zone) ?? []
  if (sign === undefined) throw new TypeError(`a time in zone ${zone}: ask for it AT TIME ZONE 'UTC'`)
  return (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -60 : 60)
}
