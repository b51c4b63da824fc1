/**
 * The key of a row as bytes that sort as SQL sorts the tuple: memcmp(encode(a), encode(b)) has the sign of (a <=> b).
 * String: UTF-8, ended by 00 (a String holds no NUL) · Bytes: 00 escaped as 00 ff, ended by 00 01 · Int32, Date: 4 bytes ·
 * Int64, Timestamp: 8 bytes · Decimal: 16 bytes of the unscaled number · all big-endian with the sign bit flipped ·
 * UUID: its 16 bytes · Boolean: one byte.
 */

import { BlastyError } from '../../base/errors.ts'
import type { Json, Row, ScalarType, TableSchema } from './schema.ts'

/** Longest encoded key in bytes. */
export const maxKeyBytes = 1024

/** Types that may stand in a primary key. */
export const keyTypes: ReadonlySet<string> = new Set<ScalarType>([
  'String',
  'Int32',
  'Int64',
  'Decimal',
  'Boolean',
  'Date',
  'Timestamp',
  'UUID',
  'Bytes',
])

type Part = (value: Json) => Buffer

const zero = Buffer.of(0)

function int32Bytes(value: number): Buffer {
  const out = Buffer.allocUnsafe(4)
  out.writeUInt32BE((value ^ 0x80000000) >>> 0)
  return out
}

function int64Bytes(value: bigint): Buffer {
  const out = Buffer.allocUnsafe(8)
  out.writeBigUInt64BE(BigInt.asUintN(64, value) ^ (1n << 63n))
  return out
}

function decimalBytes(value: string): Buffer {
  const unsigned = BigInt.asUintN(128, BigInt(value.replace('.', ''))) ^ (1n << 127n)
  const out = Buffer.allocUnsafe(16)
  out.writeBigUInt64BE(unsigned >> 64n, 0)
  out.writeBigUInt64BE(unsigned & 0xffffffffffffffffn, 8)
  return out
}

function escaped(bytes: Buffer): Buffer {
  const out: number[] = []
  for (const byte of bytes) {
    out.push(byte)
    if (byte === 0) out.push(0xff)
  }
  out.push(0, 1)
  return Buffer.from(out)
}

/** Microseconds since 1970 of a canonical Timestamp. */
export function timestampMicros(value: string): bigint {
  return BigInt(Date.parse(`${value.slice(0, 19)}Z`)) * 1000n + BigInt(value.slice(20, 26))
}

/** Days since 1970 of a canonical Date. */
export function dateDays(value: string): number {
  return Date.parse(`${value}T00:00:00Z`) / 86_400_000
}

function partOf(type: string): Part {
  switch (type) {
    case 'String':
      return value => Buffer.concat([Buffer.from(String(value)), zero])
    case 'Int32':
      return value => int32Bytes(Number(value))
    case 'Int64':
      return value => int64Bytes(BigInt(String(value)))
    case 'Decimal':
      return value => decimalBytes(String(value))
    case 'Boolean':
      return value => Buffer.of(value === true ? 1 : 0)
    case 'Date':
      return value => int32Bytes(dateDays(String(value)))
    case 'Timestamp':
      return value => int64Bytes(timestampMicros(String(value)))
    case 'UUID':
      return value => Buffer.from(String(value).replaceAll('-', ''), 'hex')
    case 'Bytes':
      return value => escaped(Buffer.from(String(value), 'base64'))
    default:
      throw new BlastyError('INTERNAL', { id: `key-type-${type}` })
  }
}

/**
 * Encodes the key of a canonical row (or of its key columns alone). Of leading key columns alone it makes the bytes that every
 * key with these values begins with. Throws KEY_TOO_LONG.
 */
export type KeyEncoder = (row: Row) => Buffer

export function keyEncoder(schema: TableSchema): KeyEncoder {
  const parts = schema.primaryKey.map(name => {
    const column = schema.columns.find(candidate => candidate.name === name)
    if (!column) throw new BlastyError('INTERNAL', { id: `key-column-${name}` })
    return { name, encode: partOf(column.type) }
  })
  return row => {
    const encoded = parts.flatMap(({ name, encode }) => {
      const value = row[name]
      return value === undefined ? [] : [encode(value)]
    })
    const key = encoded.length === 1 && encoded[0] ? encoded[0] : Buffer.concat(encoded)
    if (key.length > maxKeyBytes) throw new BlastyError('KEY_TOO_LONG', { bytes: key.length, limit: maxKeyBytes })
    return key
  }
}

/** Reads an encoded key back into its key columns, in canonical form. */
export function keyDecoder(schema: TableSchema): (key: Buffer) => Row {
  const columns = schema.primaryKey.map(name => {
    const column = schema.columns.find(candidate => candidate.name === name)
    if (!column) throw new BlastyError('INTERNAL', { id: `key-column-${name}` })
    return column
  })
  return key => {
    const row: Record<string, Json> = {}
    let at = 0
    for (const { name, type, scale = 0 } of columns) {
      const [value, next] = decodePart(key, at, type, scale)
      row[name] = value
      at = next
    }
    return row
  }
}

/** The value that begins at `at`, and where the next one begins. */
function decodePart(key: Buffer, at: number, type: string, scale: number): readonly [value: Json, next: number] {
  switch (type) {
    case 'String': {
      const end = key.indexOf(0, at)
      return [key.toString('utf8', at, end), end + 1]
    }
    case 'Int32':
      return [decodeInt32(key, at), at + 4]
    case 'Int64':
      return [decodeInt64(key, at).toString(), at + 8]
    case 'Decimal':
      return [decimalText(decodeInt128(key, at), scale), at + 16]
    case 'Boolean':
      return [key[at] === 1, at + 1]
    case 'Date':
      return [new Date(decodeInt32(key, at) * 86_400_000).toISOString().slice(0, 10), at + 4]
    case 'Timestamp':
      return [timestampText(decodeInt64(key, at)), at + 8]
    case 'UUID':
      return [key.toString('hex', at, at + 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'), at + 16]
    case 'Bytes':
      return decodeEscaped(key, at)
    default:
      throw new BlastyError('INTERNAL', { id: `key-type-${type}` })
  }
}

const decodeInt32 = (key: Buffer, at: number): number => (key.readUInt32BE(at) ^ 0x80000000) | 0
const decodeInt64 = (key: Buffer, at: number): bigint => BigInt.asIntN(64, key.readBigUInt64BE(at) ^ (1n << 63n))
const decodeInt128 = (key: Buffer, at: number): bigint =>
  BigInt.asIntN(128, ((key.readBigUInt64BE(at) << 64n) | key.readBigUInt64BE(at + 8)) ^ (1n << 127n))

function decimalText(unscaled: bigint, scale: number): string {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  return unscaled < 0n ? `-${text}` : text
}

function timestampText(micros: bigint): string {
  const seconds = micros / 1_000_000n - (micros % 1_000_000n < 0n ? 1n : 0n)
  const rest = micros - seconds * 1_000_000n
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${rest.toString().padStart(6, '0')}Z`
}

function decodeEscaped(key: Buffer, from: number): readonly [value: string, next: number] {
  const bytes: number[] = []
  for (let at = from; ; at++) {
    const byte = key[at]
    if (byte === undefined) throw new BlastyError('INTERNAL', { id: 'key-of-bytes-without-end' })
    if (byte !== 0) bytes.push(byte)
    else if (key[++at] === 1) return [Buffer.from(bytes).toString('base64'), at + 1]
    else bytes.push(0)
  }
}
