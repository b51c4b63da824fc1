/** A schema of every type and, for the property tests, rows full of the values that go wrong. */

import fc from '../../test/random.ts'
import type { Column, Json, Row, TableSchema } from '../schema/schema.ts'

const column = (name: string, field: number, type: Column['type'], precision?: number, scale?: number): Column => ({
  name,
  type,
  required: false,
  field,
  ...(precision === undefined || scale === undefined ? {} : { precision, scale }),
})

/** Every type, and decimals from one digit to thirty-eight. */
export const testSchema: TableSchema = {
  number: 1,
  columns: [
    column('s', 1, 'String'),
    column('s2', 2, 'String'),
    column('i', 3, 'Int32'),
    column('l', 4, 'Int64'),
    column('l2', 5, 'Int64'),
    column('d', 6, 'Double'),
    column('n', 7, 'Decimal', 9, 2),
    column('wide', 8, 'Decimal', 38, 10),
    column('whole', 9, 'Decimal', 38, 0),
    column('frac', 10, 'Decimal', 38, 38),
    column('b', 11, 'Boolean'),
    column('day', 12, 'Date'),
    column('t', 13, 'Timestamp'),
    column('u', 14, 'UUID'),
    column('bin', 15, 'Bytes'),
    column('n4', 16, 'Decimal', 4, 1),
    column('n18', 17, 'Decimal', 18, 4),
  ],
  retired: [],
  primaryKey: [],
}

/** The DuckDB type of each column of the schema. */
export function duckType(column: Column): string {
  switch (column.type) {
    case 'Int32':
      return 'INTEGER'
    case 'Int64':
      return 'BIGINT'
    case 'Decimal':
      return `DECIMAL(${column.precision}, ${column.scale})`
    case 'Timestamp':
      return 'TIMESTAMPTZ'
    case 'Bytes':
      return 'BLOB'
    case 'String':
      return 'VARCHAR'
    default:
      return column.type.toUpperCase()
  }
}

const texts = [
  '',
  ' ',
  'a',
  'A',
  'ab',
  'a%',
  'a_',
  '_',
  '%',
  ' a ',
  'é',
  'e\u0301',
  'ß',
  'SS',
  '\u{1F600}',
  '\uFFFD',
  '\uE000',
  'a\u{1F600}b',
]
const moreTexts = [
  "it's",
  'back\\slash',
  '"',
  'line\nbreak',
  'Paris',
  'PARIS',
  ' paris ',
  '10',
  '2',
  '1e5',
  'null',
  'v',
  '\u007f',
  '\u{10FFFF}',
]
export const text = fc.oneof(
  fc.constantFrom(...texts, ...moreTexts),
  fc.string({ unit: 'binary', maxLength: 4 }).filter(s => !s.includes('\0') && s.isWellFormed()),
)

export const int32 = fc.oneof(
  fc.constantFrom(0, 1, -1, 2, 5, 2147483647, -2147483648),
  fc.integer({ min: -10, max: 10 }),
)
const longs = [
  0n,
  1n,
  -1n,
  9n,
  10n,
  -9n,
  -10n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
  -(2n ** 53n) - 1n,
  2n ** 63n - 1n,
  -(2n ** 63n),
]
export const int64 = fc.oneof(fc.constantFrom(...longs), fc.bigInt({ min: -20n, max: 20n })).map(String)
const doubles = [
  0,
  -0,
  1,
  0.1,
  0.3,
  0.1 + 0.2,
  5e-324,
  1e308,
  2 ** 53,
  2 ** 53 + 2,
  1e21,
  -1.5,
  100000,
  2147483647,
  2 ** 63,
]
export const double = fc.oneof(
  fc.constantFrom<Json>(...doubles, 'NaN', 'Infinity', '-Infinity'),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)
const dates = ['0001-01-01', '9999-12-31', '1969-12-31', '1970-01-01', '2024-02-29', '2024-03-01']
export const date = fc.constantFrom(...dates)
const time = fc.constantFrom('00:00:00.000000', '00:00:00.000001', '12:30:00.500000', '23:59:59.999999')
export const timestamp = fc.tuple(date, time).map(([day, at]) => `${day}T${at}Z`)
export const uuids = [
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '7fffffff-0000-4000-8000-00000000000a',
  '80000000-0000-4000-8000-00000000000a',
]

/** Canonical decimals. */
export function decimal(precision: number, scale: number): fc.Arbitrary<string> {
  const limit = 10n ** BigInt(precision) - 1n
  const one = 10n ** BigInt(scale)
  const clamp = (n: bigint) => (n > limit ? limit : n < -limit ? -limit : n)
  return fc
    .oneof(
      fc.constantFrom(0n, 1n, -1n, one, -one, one - 1n, one + 1n, limit, -limit, 5n * one, one / 2n),
      fc.bigInt({ min: -limit, max: limit }),
    )
    .map(n => decimalText(clamp(n), scale))
}

function decimalText(unscaled: bigint, scale: number): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  const point = digits.length - scale
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, point)}${scale > 0 ? `.${digits.slice(point)}` : ''}`
}

/** Values of a column in canonical form. */
export function canonical(column: Column): fc.Arbitrary<Json> {
  switch (column.type) {
    case 'Int32':
      return int32
    case 'Int64':
      return int64
    case 'Double':
      return double
    case 'Decimal':
      return decimal(column.precision ?? 38, column.scale ?? 0)
    case 'Boolean':
      return fc.boolean()
    case 'Date':
      return date
    case 'Timestamp':
      return timestamp
    case 'UUID':
      return fc.constantFrom(...uuids)
    case 'Bytes':
      return fc.constant('AAE=')
    default:
      return text
  }
}

/** A row in canonical form, NULL in a fifth of its columns. */
export const row: fc.Arbitrary<Row> = fc.record(
  Object.fromEntries(testSchema.columns.map(c => [c.name, fc.option(canonical(c), { freq: 5 })])),
)
