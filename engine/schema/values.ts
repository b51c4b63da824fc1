/** Values of each column type: what clients may send, and the canonical JSON form that is kept. */

import type { Json, ValueType } from './schema.ts'

/** Brings a value to its canonical form, or throws a `ValueProblem` that says why it does not fit. Never called with null. */
export type Normalise = (value: unknown) => Json

/** Why a value does not fit its column; becomes a field violation. */
export class ValueProblem extends Error {
  override readonly name = 'ValueProblem'
}

const problem = (text: string): never => {
  throw new ValueProblem(text)
}

const shown = (value: unknown): string => {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(JSON.stringify(value) ?? typeof value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

const maxInt64 = 2n ** 63n - 1n
const minInt64 = -(2n ** 63n)
const maxJsonDepth = 64

function text(value: unknown): string {
  if (typeof value !== 'string') return problem(`must be a string, not ${shown(value)}`)
  if (value.includes('\0')) problem('must not contain the NUL character')
  if (!value.isWellFormed()) problem('must be well-formed Unicode; it has a lone surrogate')
  return value
}

function int32(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value))
    return problem(`must be a whole number, not ${shown(value)}`)
  if (value < -2147483648 || value > 2147483647) problem(`${value} is outside the range of Int32`)
  return value === 0 ? 0 : value
}

function int64(value: unknown): string {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) problem(`${value} is not exact as a JSON number; send Int64 as a string`)
    return String(value)
  }
  if (typeof value !== 'string' || !/^-?\d{1,19}$/.test(value)) {
    return problem(`must be a whole number in a string, not ${shown(value)}`)
  }
  const parsed = BigInt(value)
  if (parsed < minInt64 || parsed > maxInt64) problem(`${value} is outside the range of Int64`)
  return parsed.toString()
}

function double(value: unknown): number | string {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity'
    return value === 0 ? 0 : value
  }
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return value
  return problem(`must be a number or "NaN", "Infinity", "-Infinity", not ${shown(value)}`)
}

const decimalPattern = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/

/** Digits before and after the point, with the exponent applied. */
function decimalParts(value: string): { sign: string; whole: string; fraction: string } | undefined {
  const match = decimalPattern.exec(value)
  if (!match) return undefined
  const exponent = Number(match[4] ?? 0)
  let whole = match[2] ?? ''
  let fraction = match[3] ?? ''
  if (exponent > 0) {
    fraction = fraction.padEnd(exponent, '0')
    whole += fraction.slice(0, exponent)
    fraction = fraction.slice(exponent)
  } else if (exponent < 0) {
    whole = whole.padStart(-exponent + 1, '0')
    fraction = whole.slice(exponent) + fraction
    whole = whole.slice(0, exponent)
  }
  return { sign: match[1] ?? '', whole: whole.replace(/^0+(?=\d)/, ''), fraction }
}

function decimal(precision: number, scale: number): Normalise {
  const pattern = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/
  return value => {
    const given = typeof value === 'number' && Number.isFinite(value) ? String(value) : value
    if (typeof given !== 'string' || given.length > 128)
      return problem(`must be a decimal in a string, not ${shown(value)}`)
    // The common case: the client already sends the canonical form.
    if (
      scale > 0 &&
      given.length <= precision &&
      given.at(-scale - 1) === '.' &&
      pattern.test(given) &&
      !given.startsWith('-')
    ) {
      return given
    }
    const parts = decimalParts(given)
    if (!parts) return problem(`must be a decimal in a string, not ${shown(value)}`)
    if (/[1-9]/.test(parts.fraction.slice(scale))) problem(`${given} has more than ${scale} digits after the point`)
    const fraction = parts.fraction.slice(0, scale).padEnd(scale, '0')
    if (parts.whole !== '0' && parts.whole.length > precision - scale)
      problem(`${given} does not fit Decimal(${precision}, ${scale})`)
    const zero = !/[1-9]/.test(parts.whole + fraction)
    return `${zero ? '' : parts.sign}${parts.whole}${scale > 0 ? `.${fraction}` : ''}`
  }
}

function boolean(value: unknown): boolean {
  return typeof value === 'boolean' ? value : problem(`must be true or false, not ${shown(value)}`)
}

const datePattern = /^(\d{4})-(\d{2})-(\d{2})$/
const monthDays = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Whether a day exists, in the years 1 to 9999. */
export function validDate(year: number, month: number, day: number): boolean {
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > (monthDays[month - 1] ?? 0)) return false
  return month !== 2 || day < 29 || (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0))
}

function date(value: unknown): string {
  const match = typeof value === 'string' ? datePattern.exec(value) : null
  if (!match || !validDate(Number(match[1]), Number(match[2]), Number(match[3]))) {
    return problem(`must be a date such as "2026-01-31", not ${shown(value)}`)
  }
  return match[0]
}

const timestampPattern = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})$/

/** RFC 3339, section 5.6, to UTC with six fraction digits; leap seconds are refused. */
function timestamp(value: unknown): string {
  const match = typeof value === 'string' ? timestampPattern.exec(value) : null
  if (!match)
    return problem(`must be an RFC 3339 time with an offset, such as "2026-01-31T12:00:00Z", not ${shown(value)}`)
  const [, year, month, day, hour, minute, second, fraction = '', zone = 'Z'] = match
  if (
    !validDate(Number(year), Number(month), Number(day)) ||
    Number(hour) > 23 ||
    Number(minute) > 59 ||
    Number(second) > 59
  ) {
    problem(`${shown(value)} is not a time that exists`)
  }
  if (/[1-9]/.test(fraction.slice(6))) problem(`${shown(value)} is finer than a microsecond`)
  const micros = fraction.slice(0, 6).padEnd(6, '0')
  if (zone === 'Z' || zone === 'z') return `${year}-${month}-${day}T${hour}:${minute}:${second}.${micros}Z`
  const offsetMinutes = (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6))) * (zone.startsWith('-') ? -1 : 1)
  const millis = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) - offsetMinutes * 60_000
  const iso = new Date(millis).toISOString()
  if (!/^\d{4}-/.test(iso) || iso.startsWith('0000')) problem(`${shown(value)} is outside the years 1 to 9999`)
  return `${iso.slice(0, 19)}.${micros}Z`
}

function uuid(value: unknown): string {
  if (typeof value !== 'string' || !/^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$/.test(value)) {
    return problem(`must be a UUID, not ${shown(value)}`)
  }
  return value.toLowerCase()
}

function bytes(value: unknown): string {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(value))
    return problem(`must be base64, not ${shown(value)}`)
  const decoded = Buffer.from(value, 'base64')
  const canonical = decoded.toString('base64')
  const digits = value.replace(/=+$/, '').replaceAll('-', '+').replaceAll('_', '/')
  if (canonical.replace(/=+$/, '') !== digits) problem('must be base64; the last digits do not make whole bytes')
  return canonical
}

function checkJson(value: unknown, depth: number): void {
  if (depth > maxJsonDepth) problem(`is nested more than ${maxJsonDepth} deep`)
  if (typeof value === 'string') {
    text(value)
  } else if (Array.isArray(value)) {
    for (const item of value) checkJson(item, depth + 1)
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      text(name)
      checkJson(item, depth + 1)
    }
  } else if (typeof value === 'number' ? !Number.isFinite(value) : value !== null && typeof value !== 'boolean') {
    problem(`must be a JSON value, not ${shown(value)}`)
  }
}

function json(value: unknown): Json {
  checkJson(value, 0)
  return value as Json
}

function fields<Name extends string>(value: unknown, names: readonly Name[], what: string): Record<Name, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return problem(`must be ${what}, not ${shown(value)}`)
  for (const name of Object.keys(value)) {
    if (!(names as readonly string[]).includes(name)) problem(`has an unknown field "${name}"; it must be ${what}`)
  }
  return value as Record<Name, unknown>
}

function coordinate(value: unknown, name: string, limit: number): number {
  if (typeof value !== 'number' || !(Math.abs(value) <= limit))
    return problem(`${name} must be between -${limit} and ${limit}`)
  return value === 0 ? 0 : value
}

function geoPoint(value: unknown): Json {
  const { lat, lon } = fields(value, ['lat', 'lon'], 'an object {lat, lon} in degrees')
  return { lat: coordinate(lat, 'lat', 90), lon: coordinate(lon, 'lon', 180) }
}

function blob(value: unknown): Json {
  const { sha256, size, type } = fields(
    value,
    ['sha256', 'size', 'type'],
    'an object {sha256, size, type} as an upload returns it',
  )
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))
    return problem('sha256 must be 64 lower-case hex digits')
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    return problem('size must be a whole number of bytes')
  if (typeof type !== 'string' || !/^[\w.+-]+\/[\w.+-]+$/.test(type) || type.length > 128)
    return problem('type must be a media type')
  return { sha256, size, type }
}

/** The normaliser of a scalar type. */
export function normaliserOf(type: ValueType): Normalise {
  switch (type.type) {
    case 'String':
      return text
    case 'Int32':
      return int32
    case 'Int64':
      return int64
    case 'Double':
      return double
    case 'Decimal':
      return decimal(type.precision ?? 38, type.scale ?? 0)
    case 'Boolean':
      return boolean
    case 'Date':
      return date
    case 'Timestamp':
      return timestamp
    case 'UUID':
      return uuid
    case 'Bytes':
      return bytes
    case 'JSON':
      return json
    case 'GeoPoint':
      return geoPoint
    case 'Blob':
      return blob
  }
}
