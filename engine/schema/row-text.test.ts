/** The text of a stored row is that of the row decoded and written anew, whatever it holds and under whichever schema. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc, { runs } from '../../test/random.ts'
import { rowCodec } from './rows.ts'
import type { Column, TableSchema } from './schema.ts'

const names = ['a', 'ab', 'b', 'c', 'd']
const column = (name: string): Column => ({ name, type: 'JSON', required: false, field: names.indexOf(name) + 1 })
const schemaOf = (columns: readonly string[]): TableSchema => ({
  number: 1,
  columns: columns.map(column),
  retired: [],
  primaryKey: [],
})

test('the text of a row has every column of the schema, as decoding it has', () => {
  const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('"', '\\', '\\"', '}', '"b":', ',"c":1', '💡'))
  const value = fc.oneof(fc.integer(), text, fc.boolean(), fc.jsonValue({ stringUnit: 'grapheme' }))
  const written = fc.subarray(names)
  const read = fc.subarray(names)
  fc.assert(
    fc.property(written, read, fc.array(fc.option(value), { minLength: 5, maxLength: 5 }), (then, now, values) => {
      const row = Object.fromEntries(then.flatMap((name, i) => (values[i] === null ? [] : [[name, values[i]]])))
      const body = Buffer.from(JSON.stringify(row))
      const codec = rowCodec(schemaOf(now), 'test/rows')
      assert.equal(codec.text(body), JSON.stringify(codec.decode(body)))
    }),
    { numRuns: runs(5000) },
  )
})
