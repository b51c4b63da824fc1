/** Single values between canonical JSON and protobuf messages. */

import { fromJson, toJson } from '@bufbuild/protobuf'
import { type Timestamp, type Value, ValueSchema } from '@bufbuild/protobuf/wkt'
import type { Json, ScalarType } from '../../engine/schema/schema.ts'
import type { BlobRef, GeoPoint } from '../../proto/gen/blasty/v1/common_pb.js'

/** Why a value of a message fits no column; becomes a field violation. */
export class UnfitValue extends Error {
  override readonly name = 'UnfitValue'
}

/**
 * The two directions of one type. `read` gives JSON that the schema's checks take; `write` takes canonical JSON. Both are called
 * with values of the field's own type only, never with null.
 */
export type ValueCodec = { readonly read: (value: never) => Json; readonly write: (json: never) => unknown }

const same: ValueCodec = { read: (value: string | number | boolean) => value, write: (json: Json) => json }

const codecs: Readonly<Record<ScalarType, ValueCodec>> = {
  String: same,
  Int32: same,
  Int64: { read: (value: bigint) => value.toString(), write: (json: string) => BigInt(json) },
  Double: {
    read: (value: number) => (Number.isFinite(value) ? value : String(value)),
    write: (json: number | string) => Number(json),
  },
  Decimal: same,
  Boolean: same,
  Date: same,
  Timestamp: { read: readTimestamp, write: writeTimestamp },
  UUID: same,
  Bytes: {
    read: (value: Uint8Array) => Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64'),
    write: (json: string) => Buffer.from(json, 'base64'),
  },
  JSON: { read: readJson, write: (json: Json) => fromJson(ValueSchema, mutable(json)) },
  GeoPoint: { read: ({ lat, lon }: GeoPoint) => ({ lat, lon }), write: (json: Json) => json },
  Blob: {
    read: ({ sha256, size, type }: BlobRef) => ({ sha256, size: Number(size), type }),
    write: ({ sha256, size, type }: { sha256: string; size: number; type: string }) => ({
      sha256,
      size: BigInt(size),
      type,
    }),
  },
}

/** The codec of a type. */
export const valueCodec = (type: ScalarType): ValueCodec => codecs[type]

const microsPattern = /\.(\d{1,6})Z$/

/** google.protobuf.Timestamp, years 1 to 9999, to RFC 3339 with six fraction digits. */
export function readTimestamp({ seconds, nanos }: Pick<Timestamp, 'seconds' | 'nanos'>): string {
  if (seconds < -62_135_596_800n || seconds > 253_402_300_799n) throw new UnfitValue('is outside the years 1 to 9999')
  if (nanos < 0 || nanos > 999_999_999) throw new UnfitValue('has nanos outside 0 to 999,999,999')
  if (nanos % 1000 !== 0) throw new UnfitValue('is finer than a microsecond')
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19)
  return `${whole}.${String(nanos / 1000).padStart(6, '0')}Z`
}

/** RFC 3339 in UTC to google.protobuf.Timestamp. */
export function writeTimestamp(json: string): { seconds: bigint; nanos: number } {
  const micros = Number((microsPattern.exec(json)?.[1] ?? '0').padEnd(6, '0'))
  return { seconds: BigInt(Date.parse(`${json.slice(0, 19)}Z`) / 1000), nanos: micros * 1000 }
}

function readJson(value: Value): Json {
  try {
    return toJson(ValueSchema, value)
  } catch (cause) {
    throw new UnfitValue('is no JSON value', { cause })
  }
}

type JsonValue = Parameters<typeof fromJson>[1]

/** The same value; protobuf's JSON type lacks `readonly`, though nothing is written to it. */
const mutable = (json: Json): JsonValue => json as JsonValue
