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

/** Encodes the key of a canonical row (or of its key columns alone). Throws KEY_TOO_LONG. */
export type KeyEncoder = (row: Row) => Buffer

export function keyEncoder(schema: TableSchema): KeyEncoder {
  const parts = schema.primaryKey.map(name => {
    const column = schema.columns.find(candidate => candidate.name === name)
    if (!column) throw new BlastyError('INTERNAL', { id: `key-column-${name}` })
    return { name, encode: partOf(column.type) }
  })
  return row => {
    const encoded = parts.map(({ name, encode }) => encode(row[name] ?? null))
    const key = encoded.length === 1 && encoded[0] ? encoded[0] : Buffer.concat(encoded)
    if (key.length > maxKeyBytes) throw new BlastyError('KEY_TOO_LONG', { bytes: key.length, limit: maxKeyBytes })
    return key
  }
}
