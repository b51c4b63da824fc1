/**
 * Columns read straight out of the memory of DuckDB's blocks of rows, without an object for each value. How they lie there:
 * https://duckdb.org/docs/stable/clients/c/vector.html
 */

import { type DuckDBDataChunk, type DuckDBType, DuckDBTypeId } from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'
import { valueSizes } from './parts.ts'
import type { ColumnValues } from './result.ts'
import { Texts } from './texts.ts'

/** A column of a block; what is read of it is a copy. */
export type ColumnMemory = {
  /** Whose memory it is, freed when nothing refers to it any more. */
  readonly chunk: DuckDBDataChunk
  /** Bytes that a value takes in a message at most; those of a text itself come on top. */
  readonly width: number
  /** Bytes of the text in a row, told without reading it; undefined when there are no texts. */
  readonly lengthOf?: (row: number) => number
  /** The values of the rows from the first up to but without the last. */
  readonly read: (from: number, to: number) => ColumnValues
}

/** Undefined for types that are read value by value. */
export function columnMemory(chunk: DuckDBDataChunk, index: number, type: DuckDBType): ColumnMemory | undefined {
  const read = readers[type.typeId]
  if (read === undefined) return undefined
  const vector = duckdb.data_chunk_get_vector(chunk.chunk, index)
  const rows = chunk.rowCount
  // Null when there is no null among the values.
  const validity: Uint8Array | null = duckdb.vector_get_validity(vector, Math.ceil(rows / 64) * 8)
  return { chunk, ...read({ rows, validity, data: width => duckdb.vector_get_data(vector, rows * width) }) }
}

type Memory = {
  readonly rows: number
  /** One bit a row, 0 = null. */
  readonly validity: Uint8Array | null
  /** So many bytes for each row. */
  readonly data: (width: number) => Uint8Array
}

type Reader = Omit<ColumnMemory, 'chunk'>

/** Reads values that all have one width, in bytes, given the bytes of all rows. */
type Reading = (bytes: Uint8Array) => (from: number, to: number, nulls: Uint8Array) => ColumnValues

function fixed({ validity, data }: Memory, kind: ColumnValues['kind'], width: number, reading: Reading): Reader {
  const read = reading(data(width))
  return { width: valueSizes[kind], read: (from, to) => read(from, to, nullBits(validity, from, to)) }
}

const int32s = (memory: Memory) =>
  fixed(memory, 'int32s', 4, ({ buffer, byteOffset }) => {
    const all = new Int32Array(buffer, byteOffset, memory.rows)
    return (from, to, nulls) => ({ kind: 'int32s', nulls, values: withoutNulls(all.slice(from, to), nulls, 0) })
  })

const int64s = (memory: Memory) =>
  fixed(memory, 'int64s', 8, ({ buffer, byteOffset }) => {
    const all = new BigInt64Array(buffer, byteOffset, memory.rows)
    return (from, to, nulls) => ({ kind: 'int64s', nulls, values: withoutNulls(all.slice(from, to), nulls, 0n) })
  })

const doubles = (memory: Memory) =>
  fixed(memory, 'doubles', 8, ({ buffer, byteOffset }) => {
    const all = new Float64Array(buffer, byteOffset, memory.rows)
    return (from, to, nulls) => ({ kind: 'doubles', nulls, values: withoutNulls(all.slice(from, to), nulls, 0) })
  })

/** A text is its length in four bytes, and then itself if it has at most twelve bytes, or its first four and where it lies. */
const textWidth = 16
const inlineLength = 12

const texts = ({ rows, validity, data }: Memory): Reader => {
  const bytes = data(textWidth)
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, rows * (textWidth / 4))
  const lengthOf = (row: number) => (isNull(validity, row) ? 0 : (words[row * (textWidth / 4)] ?? 0))
  const read = (from: number, to: number): ColumnValues => {
    const offsets = new Uint32Array(to - from + 1)
    for (let row = from; row < to; row++) offsets[row - from + 1] = (offsets[row - from] ?? 0) + lengthOf(row)
    const joined = new Uint8Array(offsets[to - from] ?? 0)
    for (let row = from; row < to; row++) {
      const size = lengthOf(row)
      const begin = row * textWidth + 4
      let at = offsets[row - from] ?? 0
      if (size > inlineLength) {
        joined.set(duckdb.get_data_from_pointer(bytes.buffer as ArrayBuffer, bytes.byteOffset + begin + 4, size), at)
      } else {
        for (let byte = begin; byte < begin + size; byte++) joined[at++] = bytes[byte] ?? 0
      }
    }
    return { kind: 'strings', nulls: nullBits(validity, from, to), values: new Texts(joined, offsets) }
  }
  return { width: valueSizes.strings, lengthOf, read }
}

const readers: { readonly [Type in DuckDBTypeId]?: (memory: Memory) => Reader } = {
  [DuckDBTypeId.INTEGER]: int32s,
  [DuckDBTypeId.DATE]: int32s,
  [DuckDBTypeId.BIGINT]: int64s,
  [DuckDBTypeId.TIMESTAMP]: int64s,
  [DuckDBTypeId.TIMESTAMP_TZ]: int64s,
  [DuckDBTypeId.DOUBLE]: doubles,
  [DuckDBTypeId.VARCHAR]: texts,
}

const isNull = (validity: Uint8Array | null, row: number): boolean =>
  validity !== null && (((validity[row >> 3] ?? 0) >> (row & 7)) & 1) === 0

/** One bit a row, 1 = null; none when there is no null. */
function nullBits(validity: Uint8Array | null, from: number, to: number): Uint8Array {
  if (validity === null) return new Uint8Array()
  const bits = new Uint8Array(Math.ceil((to - from) / 8))
  let some = false
  for (let row = from; row < to; row++) {
    if (!isNull(validity, row)) continue
    const at = row - from
    bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7))
    some = true
  }
  return some ? bits : new Uint8Array()
}

/** What lies in the memory of a null is anything. */
function withoutNulls<T, A extends { [index: number]: T; readonly length: number }>(
  values: A,
  nulls: Uint8Array,
  zero: T,
): A {
  if (nulls.length === 0) return values
  for (let row = 0; row < values.length; row++)
    if ((((nulls[row >> 3] ?? 0) >> (row & 7)) & 1) === 1) values[row] = zero
  return values
}
