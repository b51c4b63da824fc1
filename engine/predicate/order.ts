/** DuckDB's orders and its cast to DOUBLE, over the canonical forms of values. */

import type { Json } from '../schema/schema.ts'

/** Negative, zero or positive, as for `Array.sort`. */
export type Order = (a: Json, b: Json) => number

/** Text by its UTF-8 bytes: the order of code points, where UTF-16 sorts the astral ones before U+E000…U+FFFF. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i += 1) {
    const left = a.charCodeAt(i)
    const right = b.charCodeAt(i)
    if (left !== right) return rank(left) - rank(right)
  }
  return a.length - b.length
}

/** Moves surrogates above all other code units. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

/** Canonical decimal texts with equally many fraction digits: the longer has more digits before the point. */
export function compareDecimal(a: string, b: string): number {
  const negative = a.charCodeAt(0) === 45
  if (negative !== (b.charCodeAt(0) === 45)) return negative ? -1 : 1
  const size = a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)
  return negative ? -size : size
}

/** NaN is equal to itself and above everything. */
export function compareDouble(a: number, b: number): number {
  if (a < b) return -1
  if (a > b) return 1
  if (a === b) return 0
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
}

/** Plain ASCII text of one width: dates, timestamps, UUIDs. */
export function compareAscii(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Largest magnitude below which DuckDB takes an integer to be a double without loss. */
const exactDouble = 2n ** 53n

/** A decimal as DuckDB casts it to DOUBLE: whole and fraction apart when the unscaled integer is beyond 2^53. */
export function decimalToDouble(unscaled: bigint, scale: number): number {
  const power = 10n ** BigInt(scale)
  const exact = unscaled <= exactDouble && unscaled >= -exactDouble
  if (exact || scale === 0) return hugeToDouble(unscaled) / Number(power)
  return hugeToDouble(unscaled / power) + hugeToDouble(unscaled % power) / Number(power)
}

/** A 128-bit integer as DuckDB casts it: the sum of its halves, each rounded. */
export function hugeToDouble(value: bigint): number {
  const size = value < 0n ? -value : value
  if (size < 2n ** 63n) return Number(value)
  const halves = Number(size & (2n ** 64n - 1n)) + Number(size >> 64n) * 2 ** 64
  return value < 0n ? -halves : halves
}
