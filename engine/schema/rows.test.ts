import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlastyError } from '../../base/errors.ts'
import { rowCodec } from './rows.ts'
import type { Column, ValueType } from './schema.ts'

const columns = (type: Partial<Column> & Pick<Column, 'type'>): Column[] => [
  { name: 'id', type: 'String', required: true, field: 1 },
  { name: 'v', required: false, field: 2, ...type },
]
const codecOf = (type: Partial<Column> & Pick<Column, 'type'>) =>
  rowCodec({ number: 1, columns: columns(type), retired: [], primaryKey: ['id'] }, 'ns/t')

const decimal: ValueType = { type: 'Decimal', precision: 6, scale: 2 }

const accepted: readonly (readonly [
  type: Partial<Column> & Pick<Column, 'type'>,
  given: unknown,
  canonical: unknown,
])[] = [
  [{ type: 'String' }, '', ''],
  [{ type: 'String' }, '💡 ä', '💡 ä'],
  [{ type: 'Int32' }, -2147483648, -2147483648],
  [{ type: 'Int32' }, -0, 0],
  [{ type: 'Int64' }, '9223372036854775807', '9223372036854775807'],
  [{ type: 'Int64' }, '-0', '0'],
  [{ type: 'Int64' }, 9007199254740991, '9007199254740991'],
  [{ type: 'Double' }, 1e308, 1e308],
  [{ type: 'Double' }, 'NaN', 'NaN'],
  [{ type: 'Double' }, '-Infinity', '-Infinity'],
  [decimal, '1234.5', '1234.50'],
  [decimal, '-0.00', '0.00'],
  [decimal, 12, '12.00'],
  [decimal, '0012.340', '12.34'],
  [decimal, '1.2e3', '1200.00'],
  [decimal, '12.5e-1', '1.25'],
  [decimal, '-9999.99', '-9999.99'],
  [{ type: 'Decimal', precision: 38, scale: 0 }, '9'.repeat(38), '9'.repeat(38)],
  [{ type: 'Boolean' }, false, false],
  [{ type: 'Date' }, '2024-02-29', '2024-02-29'],
  [{ type: 'Date' }, '0001-01-01', '0001-01-01'],
  [{ type: 'Timestamp' }, '2026-01-31T12:00:00Z', '2026-01-31T12:00:00.000000Z'],
  [{ type: 'Timestamp' }, '2026-01-31t12:00:00.1234567+05:30'.replace('7', '0'), '2026-01-31T06:30:00.123456Z'],
  [{ type: 'Timestamp' }, '2025-12-31T23:30:00.000001-01:00', '2026-01-01T00:30:00.000001Z'],
  [{ type: 'UUID' }, '550E8400-E29B-41D4-A716-446655440000', '550e8400-e29b-41d4-a716-446655440000'],
  [{ type: 'Bytes' }, 'AP8', 'AP8='],
  [{ type: 'Bytes' }, '', ''],
  [{ type: 'JSON' }, { a: [1, null, { b: 'x' }] }, { a: [1, null, { b: 'x' }] }],
  [{ type: 'GeoPoint' }, { lat: -90, lon: 180 }, { lat: -90, lon: 180 }],
  [{ type: 'Array', items: { type: 'Int64' } }, ['1', 2], ['1', '2']],
  [{ type: 'Array', items: { type: 'String' } }, [], []],
]

const refused: readonly (readonly [type: Partial<Column> & Pick<Column, 'type'>, given: unknown])[] = [
  [{ type: 'String' }, 5],
  [{ type: 'String' }, 'a\0b'],
  [{ type: 'String' }, '\ud800'],
  [{ type: 'Int32' }, 2147483648],
  [{ type: 'Int32' }, 1.5],
  [{ type: 'Int32' }, '1'],
  [{ type: 'Int64' }, '9223372036854775808'],
  [{ type: 'Int64' }, 9007199254740992],
  [{ type: 'Int64' }, ' 1'],
  [{ type: 'Int64' }, '1e3'],
  [{ type: 'Double' }, 'nan'],
  [{ type: 'Double' }, '1'],
  [decimal, '12345'],
  [decimal, '1.234'],
  [decimal, '1e99'],
  [decimal, ''],
  [decimal, '.5'],
  [decimal, 'NaN'],
  [{ type: 'Boolean' }, 'true'],
  [{ type: 'Boolean' }, 1],
  [{ type: 'Date' }, '2023-02-29'],
  [{ type: 'Date' }, '0000-01-01'],
  [{ type: 'Date' }, '10000-01-01'],
  [{ type: 'Date' }, '2026-1-1'],
  [{ type: 'Timestamp' }, '2026-01-31T12:00:00'],
  [{ type: 'Timestamp' }, '2026-01-31T24:00:00Z'],
  [{ type: 'Timestamp' }, '2026-06-30T23:59:60Z'],
  [{ type: 'Timestamp' }, '2026-01-31T12:00:00.0000001Z'],
  [{ type: 'Timestamp' }, '0001-01-01T00:00:00+01:00'],
  [{ type: 'Timestamp' }, '9999-12-31T23:59:59-01:00'],
  [{ type: 'Timestamp' }, 1700000000],
  [{ type: 'UUID' }, '550e8400e29b41d4a716446655440000'],
  [{ type: 'Bytes' }, 'A'],
  [{ type: 'Bytes' }, 'A*=='],
  [{ type: 'GeoPoint' }, { lat: 91, lon: 0 }],
  [{ type: 'GeoPoint' }, { lat: 1 }],
  [{ type: 'GeoPoint' }, { lat: 1, lon: 2, alt: 3 }],
  [{ type: 'GeoPoint' }, [1, 2]],
  [{ type: 'Blob' }, { sha256: 'x', size: 1, type: 'image/png' }],
  [{ type: 'Array', items: { type: 'String' } }, ['a', null]],
  [{ type: 'Array', items: { type: 'String' } }, 'a'],
]

for (const [type, given, canonical] of accepted) {
  test(`${type.type} takes ${JSON.stringify(given)} and keeps ${JSON.stringify(canonical)}`, () => {
    const codec = codecOf(type)
    const row = codec.row({ id: 'a', v: given }, 'row')
    assert.deepEqual(row, { id: 'a', v: canonical })
    assert.deepEqual(codec.decode(Buffer.from(JSON.stringify(row))), row)
    assert.deepEqual(codec.row(row, 'row'), row, 'the canonical form is its own')
  })
}

for (const [type, given] of refused) {
  test(`${type.type} refuses ${JSON.stringify(given)} and names the column`, () => {
    assert.throws(() => codecOf(type).row({ id: 'a', v: given }, 'rows[3]'), invalid('rows[3].v'))
  })
}

const invalid =
  (...fields: string[]) =>
  (error: unknown) => {
    assert.ok(error instanceof BlastyError && error.code === 'INVALID_ROW')
    assert.deepEqual(
      error.violations.map(({ field }) => field),
      fields,
    )
    return true
  }

test('every problem of a row is named at once', () => {
  const codec = codecOf({ type: 'Int32' })
  assert.throws(() => codec.row({ v: 'x', other: 1, __proto__: 2 }, 'row'), invalid('row.id', 'row.v', 'row.other'))
  assert.throws(() => codec.row(null, 'row'), invalid('row'))
  assert.throws(() => codec.row([], 'row'), invalid('row'))
})

test('nulls are left out of what is kept, and come back as null', () => {
  const codec = codecOf({ type: 'Int32' })
  assert.deepEqual(codec.row({ id: 'a', v: null }, 'row'), { id: 'a' })
  assert.deepEqual(codec.decode(Buffer.from('{"id":"a","retired":1}')), { id: 'a', v: null })
})

test('a required column and a key column refuse null', () => {
  assert.throws(() => codecOf({ type: 'Int32', required: true }).row({ id: null }, 'row'), invalid('row.id', 'row.v'))
})

test('a key holds the key columns and nothing else', () => {
  const codec = codecOf({ type: 'Int32' })
  assert.deepEqual(codec.key({ id: 'a' }, 'key'), { id: 'a' })
  assert.throws(() => codec.key({ id: 'a', v: 1 }, 'key'), invalid('key.v'))
})

test('JSON that is nested too deep is refused', () => {
  const nested = (depth: number) => JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as unknown
  assert.ok(codecOf({ type: 'JSON' }).row({ id: 'a', v: nested(64) }, 'row'))
  assert.throws(() => codecOf({ type: 'JSON' }).row({ id: 'a', v: nested(66) }, 'row'), invalid('row.v'))
})
