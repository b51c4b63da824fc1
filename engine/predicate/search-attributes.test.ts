/** The hidden texts sort as the values do, and are of a kind that the search server cannot read otherwise. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc, { runs } from '../../test/random.ts'
import type { Column, Json } from '../schema/schema.ts'
import { canonical, testSchema } from './arbitrary.ts'
import type { ComparisonOperator } from './ast.ts'
import { columnsOf, parsePredicate, searchAttributes, toSearchDocument, toTest } from './predicate.ts'
import { encode, maxTextBytes } from './search-attributes.ts'

/** Whether `a op b` for values of the column, by the JavaScript form, which agrees with DuckDB. */
function holds(column: Column, a: Json, op: ComparisonOperator, b: Json): boolean {
  const value = column.type === 'Double' ? Number(b) : b
  if (typeof value === 'object') throw new TypeError(`${column.name} has no scalar value`)
  return toTest({ root: { kind: 'compare', column, op, value } })({ [column.name]: a })
}

const pairs = fc
  .constantFrom(...testSchema.columns.filter(column => column.type !== 'Bytes'))
  .chain(column => fc.tuple(fc.constant(column), canonical(column), canonical(column)))

test('the hidden text of a smaller value is smaller, of an equal one equal', () => {
  fc.assert(
    fc.property(pairs, ([column, a, b]) => {
      const [left, right] = [encode(column, a), encode(column, b)]
      assert.deepEqual([left < right, left === right], [holds(column, a, '<', b), holds(column, a, '=', b)])
    }),
    { numRuns: runs(5_000) },
  )
})

test('the hidden text is ASCII that no search server folds, trims, cuts or reads as a number', () => {
  fc.assert(
    fc.property(pairs, ([column, a]) => {
      assert.match(encode(column, a), /^v[0-9a-f]{0,464}$/)
    }),
  )
  const [text] = testSchema.columns
  assert.ok(text !== undefined && encode(text, 'é'.repeat(100_000)).length === 1 + 2 * maxTextBytes)
})

test('NULL has a hidden text below that of every value, also the empty text', () => {
  assert.deepEqual(toSearchDocument({ s: null, s2: '', b: false }, testSchema, ['s', 's2', 'b', 'bin']), {
    _where: 'v',
    _where_s: 'n',
    _where_s2: 'v',
    _where_b: 'v0',
    _where_bin: 'n',
  })
})

test('the attributes of a predicate are those of its columns', async () => {
  const predicate = await parsePredicate("s = s2 OR NOT (i IN (1, 2) AND s LIKE 'a%')", testSchema)
  const names = columnsOf(predicate).map(column => column.name)
  assert.deepEqual(searchAttributes(testSchema, names), ['_where', '_where_s', '_where_s2', '_where_i'])
})
