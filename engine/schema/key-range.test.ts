/** Ranges of keys: what lies in them is what their bounds say of the key's columns. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlastyError } from '../../base/errors.ts'
import fc, { runs } from '../../test/random.ts'
import { keyEncoder } from './key.ts'
import { type KeyBounds, keyRange, successor } from './key-range.ts'
import { rowCodec } from './rows.ts'
import type { Row, TableSchema } from './schema.ts'

const column = (name: string, type: 'String' | 'Int32', field: number) => ({ name, type, field, required: true })
const schema: TableSchema = {
  number: 1,
  columns: [column('a', 'Int32', 1), column('b', 'String', 2), column('c', 'Int32', 3), column('x', 'String', 4)],
  retired: [],
  primaryKey: ['a', 'b', 'c'],
}
const encode = keyEncoder(schema)
const codec = rowCodec(schema, 'test/ranges')

type Key = { readonly a: number; readonly b: string; readonly c: number }
const int = fc.constantFrom(-2147483648, -256, -1, 0, 1, 255, 256, 2147483647)
const text = fc.constantFrom('', 'a', 'ab', 'b', '\u{10ffff}', 'a\x01', 'ÿ')
const key = fc.record({ a: int, b: text, c: int })
const leading = key.chain(({ a, b, c }) => fc.constantFrom<Row>({ a }, { a, b }, { a, b, c }))

/** Compares a key with the columns that a bound names: in them alone it may be equal. */
function compare(of: Key, to: Row): number {
  for (const name of schema.primaryKey) {
    if (!(name in to)) return 0
    const single = (row: Row) => encode({ a: 0, b: '', c: 0, ...row })
    const order = single({ [name]: Reflect.get(of, name) }).compare(single({ [name]: to[name] ?? null }))
    if (order !== 0) return order
  }
  return 0
}

test('exactly the keys that fulfil every bound lie in a range', () => {
  const bounds = fc.record(
    { prefix: fc.option(leading, { nil: undefined }), from: leading, after: leading, until: leading },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(key, bounds, fc.option(text), (candidate, given, begins) => {
      const { prefix, ...others } = given
      const applies = begins !== null && prefix !== undefined && Object.keys(prefix).length === 1
      const all: KeyBounds = {
        ...others,
        ...(prefix === undefined ? {} : { prefix }),
        ...(applies ? { startsWith: begins } : {}),
      }
      const expected =
        (prefix === undefined || compare(candidate, prefix) === 0) &&
        (!applies || candidate.b.startsWith(begins)) &&
        (all.from === undefined || compare(candidate, all.from) >= 0) &&
        (all.after === undefined || compare(candidate, all.after) > 0) &&
        (all.until === undefined || compare(candidate, all.until) < 0)
      const range = keyRange(schema, encode, all)
      const bytes = encode(candidate)
      const inside =
        range !== undefined &&
        (range.start === undefined || bytes.compare(range.start) >= 0) &&
        (range.end === undefined || bytes.compare(range.end) < 0)
      assert.equal(inside, expected)
    }),
    { numRuns: runs(20_000) },
  )
})

test('the successor of bytes sorts behind all that begin with them; of the last ones there is none', () => {
  assert.deepEqual(successor(Buffer.from([1, 255, 255])), Buffer.from([2]))
  assert.deepEqual(successor(Buffer.from([1, 2])), Buffer.from([1, 3]))
  assert.equal(successor(Buffer.from([255, 255])), undefined)
  assert.equal(successor(Buffer.alloc(0)), undefined)
})

test('leading key columns must be the first ones and no others, and text must meet a String', () => {
  const refused = (work: () => unknown, code: string, message: RegExp) =>
    assert.throws(
      work,
      (error: unknown) => error instanceof BlastyError && error.code === code && message.test(error.message),
    )
  assert.deepEqual(codec.keyPrefix({ a: 1 }, 'p'), { a: 1 })
  assert.deepEqual(codec.keyPrefix({ b: 'x', a: 1 }, 'p'), { a: 1, b: 'x' })
  refused(() => codec.keyPrefix({}, 'p'), 'INVALID_ROW', /p\.a is required/)
  refused(() => codec.keyPrefix({ b: 'x' }, 'p'), 'INVALID_ROW', /p\.a is required/)
  refused(() => codec.keyPrefix({ a: 1, c: 1 }, 'p'), 'INVALID_ROW', /p\.b is required/)
  refused(() => codec.keyPrefix({ a: 1, x: 'x' }, 'p'), 'INVALID_ROW', /p\.x is no key column/)
  refused(() => codec.keyPrefix([], 'p'), 'INVALID_ROW', /must be a JSON object/)
  refused(() => codec.keyPrefix({ a: 'x' }, 'p'), 'INVALID_ROW', /whole number/)
  refused(() => keyRange(schema, encode, { startsWith: 'x' }), 'INVALID_ARGUMENT', /a, is no String/)
  refused(() => keyRange(schema, encode, { prefix: { a: 1 }, startsWith: '\ud800' }), 'INVALID_ARGUMENT', /starts_with/)
  const whole = { a: 1, b: '', c: 1 }
  refused(
    () => keyRange(schema, encode, { prefix: whole, startsWith: 'x' }),
    'INVALID_ARGUMENT',
    /no key column is left/,
  )
})
