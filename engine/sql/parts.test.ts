import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc, { runs } from '../../test/random.ts'
import { partsOf, type RowsPart } from './parts.ts'

const row = fc.record({
  text: fc.option(fc.integer({ min: 0, max: 700_000 }), { nil: null }),
  n: fc.option(fc.integer(), { nil: null }),
})
type Row = { readonly text: number | null; readonly n: number | null }

const bitsOf = (flags: readonly boolean[]) => {
  const bits = new Uint8Array(Math.ceil(flags.length / 8))
  flags.forEach((flag, at) => {
    if (flag) bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7))
  })
  return flags.includes(true) ? bits : new Uint8Array()
}

const partOf = (rows: readonly Row[]): RowsPart => ({
  count: rows.length,
  columns: [
    {
      kind: 'strings',
      nulls: bitsOf(rows.map(({ text }) => text === null)),
      values: rows.map(({ text }) => 'x'.repeat(text ?? 0)),
    },
    { kind: 'int32s', nulls: bitsOf(rows.map(({ n }) => n === null)), values: rows.map(({ n }) => n ?? 0) },
  ],
})

const rowsIn = ({ count, columns }: RowsPart): Row[] =>
  Array.from({ length: count }, (_, at) => {
    const [text, n] = columns
    const isNull = (nulls: Uint8Array | undefined) => (((nulls?.[at >> 3] ?? 0) >> (at & 7)) & 1) === 1
    return {
      text: isNull(text?.nulls) ? null : String(text?.values.at(at)).length,
      n: isNull(n?.nulls) ? null : Number(n?.values.at(at)),
    }
  })

test('parts are the rows in their order, none of them larger than a message unless one row is', () => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 40 }), rows => {
      const parts = partsOf(partOf(rows))
      const shown = parts.flatMap(rowsIn)
      assert.deepEqual(
        shown,
        rows.map(({ text, n }) => ({ text, n })),
      )
      for (const part of parts) {
        const size = rowsIn(part).reduce((sum, { text }) => sum + (text ?? 0), 0)
        assert.ok(size <= 1024 * 1024 || part.count === 1)
        assert.ok(part.count > 0 || rows.length === 0)
      }
    }),
    { numRuns: runs(50) },
  )
})
