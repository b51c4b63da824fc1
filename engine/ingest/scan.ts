/**
 * Reads values from JSON bytes that are canonical already, or nearly so, without making a JavaScript value of them. A scanner
 * returns where the value ends, or `unclear` for anything that it does not know for sure: then the row is parsed and
 * checked in full. So a scanner may be strict, and must never take what the full check would refuse or write otherwise.
 */

import type { Column } from '../schema/schema.ts'
import { validDate } from '../schema/values.ts'

/** Reads the value that begins at `at`; returns the position behind it. The bytes end with a newline, which ends every scan. */
export type Scan = (bytes: Uint8Array, at: number) => number

/** Not clearly in canonical form. */
export const unclear = -1

export type ValueScanner = {
  readonly scan: Scan
  /** What is yet to be done to the bytes: fill up the fraction of a Timestamp, or quote a number. Nothing unless set. */
  readonly rewrite?: 'timestamp' | 'quoted'
}

const quote = 0x22
const minus = 0x2d
const point = 0x2e
const zero = 0x30
const backslash = 0x5c

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= zero && byte <= 0x39

/** Behind the digits that begin at `at`. */
function digits(bytes: Uint8Array, at: number): number {
  let end = at
  while (isDigit(bytes[end])) end++
  return end
}

/** Behind a whole number without leading zeros, or `unclear`. */
function whole(bytes: Uint8Array, at: number, maxDigits: number): number {
  const end = digits(bytes, at)
  const count = end - at
  if (count === 0 || count > maxDigits || (count > 1 && bytes[at] === zero)) return unclear
  return end
}

/** The number that the digits from `at` to `end` stand for. */
function numberAt(bytes: Uint8Array, at: number, end: number): number {
  let value = 0
  for (let i = at; i < end; i++) value = value * 10 + (bytes[i] ?? zero) - zero
  return value
}

/** A sign is fine before anything but zero: the canonical zero has none. */
function signed(bytes: Uint8Array, at: number): number {
  return bytes[at] === minus && bytes[at + 1] !== zero ? at + 1 : at
}

/** A string without escapes, of bytes known to be UTF-8. */
export const scanText: Scan = (bytes, at) => {
  if (bytes[at] !== quote) return unclear
  for (let i = at + 1; ; i++) {
    const byte = bytes[i] ?? 0
    if (byte === quote) return i + 1
    if (byte < 0x20 || byte === backslash) return unclear
  }
}

const scanInt32: Scan = (bytes, at) => {
  const start = signed(bytes, at)
  const end = whole(bytes, start, 10)
  if (end === unclear || continuesNumber(bytes[end])) return unclear
  const value = numberAt(bytes, start, end)
  return value <= (start === at ? 2147483647 : 2147483648) ? end : unclear
}

/** Eighteen digits are in range whatever they are. */
const scanInt64Text: Scan = (bytes, at) => {
  if (bytes[at] !== quote) return unclear
  const end = whole(bytes, signed(bytes, at + 1), 18)
  return end !== unclear && bytes[end] === quote ? end + 1 : unclear
}

/** Fifteen digits are exact as a JSON number whatever they are. */
const scanInt64Number: Scan = (bytes, at) => {
  const end = whole(bytes, signed(bytes, at), 15)
  return end === unclear || continuesNumber(bytes[end]) ? unclear : end
}

const continuesNumber = (byte: number | undefined): boolean =>
  byte === point || byte === 0x65 || byte === 0x45 || isDigit(byte)

/**
 * A number whose text is what JavaScript writes for it: decimals of up to 15 digits are the shortest ones of their doubles, and
 * none that begins within six places behind the point is written with an exponent.
 */
const scanDouble: Scan = (bytes, at) => {
  const start = bytes[at] === minus ? at + 1 : at
  const middle = whole(bytes, start, 15)
  if (middle === unclear) return unclear
  const isZero = middle === start + 1 && bytes[start] === zero
  if (bytes[middle] !== point) return continuesNumber(bytes[middle]) || (isZero && start !== at) ? unclear : middle
  const end = digits(bytes, middle + 1)
  if (end === middle + 1 || bytes[end - 1] === zero || continuesNumber(bytes[end])) return unclear
  let first = middle + 1
  if (isZero) while (bytes[first] === zero) first++
  const significant = isZero ? end - first : end - middle - 1 + (middle - start)
  return significant > 15 || first - middle > 6 ? unclear : end
}

const scanDecimal =
  (precision: number, scale: number): Scan =>
  (bytes, at) => {
    if (bytes[at] !== quote) return unclear
    const start = bytes[at + 1] === minus ? at + 2 : at + 1
    const middle = whole(bytes, start, Math.max(1, precision - scale))
    if (middle === unclear) return unclear
    const isZero = bytes[start] === zero
    if (!isZero && precision === scale) return unclear
    const end = scale === 0 ? middle : digits(bytes, middle + 1)
    if (scale > 0 && (bytes[middle] !== point || end - middle - 1 !== scale)) return unclear
    // The canonical zero has no sign; whether this is one need not be known here.
    if (start > at + 1 && isZero) return unclear
    return bytes[end] === quote ? end + 1 : unclear
  }

const words = ['true', 'false'].map(word => Buffer.from(word))

const scanBoolean: Scan = (bytes, at) => {
  for (const word of words) if (matches(bytes, at, word)) return at + word.length
  return unclear
}

/** Whether `part` stands at `at`. */
export function matches(bytes: Uint8Array, at: number, part: Uint8Array): boolean {
  for (let i = 0; i < part.length; i++) if (bytes[at + i] !== part[i]) return false
  return true
}

/** Behind the day that begins at `at`, such as 2026-01-31. */
function day(bytes: Uint8Array, at: number): number {
  if (digits(bytes, at) !== at + 4 || bytes[at + 4] !== minus) return unclear
  if (digits(bytes, at + 5) !== at + 7 || bytes[at + 7] !== minus || digits(bytes, at + 8) !== at + 10) return unclear
  const [year, month] = [numberAt(bytes, at, at + 4), numberAt(bytes, at + 5, at + 7)]
  return validDate(year, month, numberAt(bytes, at + 8, at + 10)) ? at + 10 : unclear
}

const scanDate: Scan = (bytes, at) => {
  const end = bytes[at] === quote ? day(bytes, at + 1) : unclear
  return end !== unclear && bytes[end] === quote ? end + 1 : unclear
}

/** Bytes of a canonical Timestamp with its quotes. */
export const timestampBytes = 29
/** Bytes of one up to its seconds, with its first quote. */
export const secondsBytes = 20
const colon = 0x3a

/** A time in UTC with at most six fraction digits. */
const scanTimestamp: Scan = (bytes, at) => {
  const end = bytes[at] === quote ? day(bytes, at + 1) : unclear
  if (end === unclear || bytes[end] !== 0x54) return unclear
  if (digits(bytes, end + 1) !== end + 3 || bytes[end + 3] !== colon || numberAt(bytes, end + 1, end + 3) > 23)
    return unclear
  if (digits(bytes, end + 4) !== end + 6 || bytes[end + 6] !== colon || numberAt(bytes, end + 4, end + 6) > 59)
    return unclear
  if (digits(bytes, end + 7) !== end + 9 || numberAt(bytes, end + 7, end + 9) > 59) return unclear
  let zone = end + 9
  if (bytes[zone] === point) {
    zone = digits(bytes, zone + 1)
    if (zone < end + 11 || zone > end + 16) return unclear
  }
  return bytes[zone] === 0x5a && bytes[zone + 1] === quote ? zone + 2 : unclear
}

const isLowerHex = (byte: number | undefined): boolean =>
  isDigit(byte) || (byte !== undefined && byte >= 0x61 && byte <= 0x66)

const scanUuid: Scan = (bytes, at) => {
  if (bytes[at] !== quote || bytes[at + 37] !== quote) return unclear
  for (let i = 0; i < 36; i++) {
    const byte = bytes[at + 1 + i]
    if (i === 8 || i === 13 || i === 18 || i === 23 ? byte !== minus : !isLowerHex(byte)) return unclear
  }
  return at + 38
}

const never: ValueScanner = { scan: () => unclear }

/** Reads values of a column: the first scanner that is sure of one wins. Types that are rare in bulk are left to the full check. */
export function scannersOf(column: Column): readonly ValueScanner[] {
  switch (column.type) {
    case 'String':
      return [{ scan: scanText }]
    case 'Int32':
      return [{ scan: scanInt32 }]
    case 'Int64':
      return [{ scan: scanInt64Text }, { scan: scanInt64Number, rewrite: 'quoted' }]
    case 'Double':
      return [{ scan: scanDouble }]
    case 'Decimal':
      return [{ scan: scanDecimal(column.precision ?? 38, column.scale ?? 0) }]
    case 'Boolean':
      return [{ scan: scanBoolean }]
    case 'Date':
      return [{ scan: scanDate }]
    case 'Timestamp':
      return [{ scan: scanTimestamp, rewrite: 'timestamp' }]
    case 'UUID':
      return [{ scan: scanUuid }]
    default:
      return [never]
  }
}
