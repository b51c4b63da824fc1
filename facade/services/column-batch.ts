/**
 * Rows of a result as an encoded QueryResponse: the bytes that the generated code would make of the same values, which go
 * straight from columns into the message. https://protobuf.dev/programming-guides/encoding/
 */

import { endianness } from 'node:os'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import type { ColumnValues } from '../../engine/sql/result.ts'
import { Texts } from '../../engine/sql/texts.ts'
import {
  ColumnBatchSchema,
  ColumnValuesSchema,
  QueryResponseSchema,
} from '../../proto/gen/blasty/v1/query_service_pb.js'

const { batch } = QueryResponseSchema.field
const { rows, columns: columnsOf } = ColumnBatchSchema.field
const { nulls: nullsOf, ...lists } = ColumnValuesSchema.field
/** The field of the values in each of the lists. */
const valuesOf = 1

/** A QueryResponse with a ColumnBatch. */
export function encodedBatch(count: number, columns: readonly ColumnValues[]): Uint8Array {
  const writer = new BinaryWriter()
  writer.tag(batch.number, WireType.LengthDelimited).fork()
  if (count > 0) writer.tag(rows.number, WireType.Varint).uint32(count)
  for (const column of columns) {
    writer.tag(columnsOf.number, WireType.LengthDelimited).fork()
    if (column.nulls.length > 0) writer.tag(nullsOf.number, WireType.LengthDelimited).bytes(column.nulls)
    writer.tag(lists[column.kind].number, WireType.LengthDelimited).fork()
    writeValues(writer, column)
    writer.join().join()
  }
  return writer.join().finish()
}

function writeValues(writer: BinaryWriter, { kind, values }: ColumnValues): void {
  if (values.length === 0) return
  switch (kind) {
    case 'strings':
      if (values instanceof Texts) writer.raw(packedTexts(values))
      else for (const value of values) writer.tag(valuesOf, WireType.LengthDelimited).string(value)
      return
    case 'bytes':
      for (const value of values) writer.tag(valuesOf, WireType.LengthDelimited).bytes(value)
      return
  }
  writer.tag(valuesOf, WireType.LengthDelimited)
  switch (kind) {
    case 'bools':
      writer.bytes(Uint8Array.from(values, Number))
      break
    case 'int32s':
      writer.bytes(packedInt32s(values))
      break
    case 'int64s':
      writer.bytes(packedInt64s(values))
      break
    case 'doubles':
      writer.fork()
      for (const value of values) writer.double(value)
      writer.join()
  }
}

/** Most bytes of a varint of 64 bits. */
const varintBytes = 10
const lowWord = endianness() === 'LE' ? 0 : 1

function packedInt32s(values: Int32Array | readonly number[]): Uint8Array {
  const target = new Uint8Array(values.length * varintBytes)
  let at = 0
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? 0
    at = putVarint(target, at, value >>> 0, value < 0 ? 0xffff_ffff : 0)
  }
  return target.subarray(0, at)
}

function packedInt64s(values: BigInt64Array | readonly bigint[]): Uint8Array {
  const { buffer, byteOffset } = values instanceof BigInt64Array ? values : BigInt64Array.from(values)
  const words = new Uint32Array(buffer, byteOffset, values.length * 2)
  const target = new Uint8Array(values.length * varintBytes)
  let at = 0
  for (let word = 0; word < words.length; word += 2)
    at = putVarint(target, at, words[word + lowWord] ?? 0, words[word + 1 - lowWord] ?? 0)
  return target.subarray(0, at)
}

/** Each behind its tag and its length. */
function packedTexts({ bytes, offsets, length }: Texts): Uint8Array {
  const tag = (valuesOf << 3) | WireType.LengthDelimited
  const [from = 0] = offsets
  const target = new Uint8Array((offsets[length] ?? 0) - from + length * (1 + varintBytes))
  let at = 0
  for (let index = 0; index < length; index++) {
    const begin = offsets[index] ?? 0
    const end = offsets[index + 1] ?? 0
    target[at++] = tag
    at = putVarint(target, at, end - begin, 0)
    if (end - begin > longText) {
      target.set(bytes.subarray(begin, end), at)
      at += end - begin
    } else {
      for (let byte = begin; byte < end; byte++) target[at++] = bytes[byte] ?? 0
    }
  }
  return target.subarray(0, at)
}

/** Bytes from which on it is quicker to have them copied. */
const longText = 32

/** Seven bits a byte, the lowest first; returns where the next value goes. */
function putVarint(target: Uint8Array, from: number, low: number, high: number): number {
  let at = from
  let lower = low
  let upper = high
  while (upper !== 0 || lower > 0x7f) {
    target[at++] = (lower & 0x7f) | 0x80
    lower = ((lower >>> 7) | (upper << 25)) >>> 0
    upper >>>= 7
  }
  target[at++] = lower
  return at
}
