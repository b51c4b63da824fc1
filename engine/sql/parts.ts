/** Cutting columns into parts small enough for one message. */

import type { ColumnValues } from './result.ts'
import { Texts } from './texts.ts'

export type RowsPart = { readonly count: number; readonly columns: readonly ColumnValues[] }

/** Bytes of one part, and code units of text; with three bytes a code unit it still fits the four mebibytes clients take. */
export const maxPartSize = 1024 * 1024

/** Bytes that a value takes in a message at most; of a text or bytes, what comes on top of itself. */
export const valueSizes = { bools: 1, int32s: 10, int64s: 10, doubles: 8, strings: 6, bytes: 6 } as const

/** The rows in order, in one part if they are small; a row is never cut. */
export function partsOf({ count, columns }: RowsPart): RowsPart[] {
  const sizes = sizesOf(columns, count)
  const ranges = [...rangesOf(count, row => sizes[row] ?? 0)]
  return ranges.length === 1 ? [{ count, columns }] : ranges.map(([from, to]) => slice(columns, from, to))
}

/** Where each part begins and ends, given how many bytes each row takes. */
export function* rangesOf(
  count: number,
  sizeOf: (row: number) => number,
): Generator<readonly [from: number, to: number]> {
  let from = 0
  let size = 0
  for (let row = 0; row < count; row++) {
    const next = sizeOf(row)
    if (row > from && size + next > maxPartSize) {
      yield [from, row]
      from = row
      size = 0
    }
    size += next
  }
  yield [from, count]
}

function sizesOf(columns: readonly ColumnValues[], count: number): number[] {
  const width = columns.reduce((sum, { kind }) => sum + valueSizes[kind], 0)
  const sizes = new Array<number>(count).fill(width)
  for (const { kind, values } of columns) {
    if (kind !== 'strings' && kind !== 'bytes') continue
    const lengthAt = (row: number) => (values instanceof Texts ? values.sizeAt(row) : (values[row]?.length ?? 0))
    for (let row = 0; row < count; row++) sizes[row] = (sizes[row] ?? 0) + lengthAt(row)
  }
  return sizes
}

function slice(columns: readonly ColumnValues[], from: number, to: number): RowsPart {
  return {
    count: to - from,
    // Each kind goes with its values before as after.
    columns: columns.map(
      column =>
        ({
          ...column,
          nulls: sliceBits(column.nulls, from, to),
          values: column.values.slice(from, to),
        }) as ColumnValues,
    ),
  }
}

function sliceBits(bits: Uint8Array, from: number, to: number): Uint8Array {
  if (bits.length === 0) return bits
  const out = new Uint8Array(Math.ceil((to - from) / 8))
  for (let row = from; row < to; row++) {
    const set = ((bits[row >> 3] ?? 0) >> (row & 7)) & 1
    const at = row - from
    out[at >> 3] = (out[at >> 3] ?? 0) | (set << (at & 7))
  }
  return out
}
