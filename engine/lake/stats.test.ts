/** Statistics of data files: every row lies within the bounds, and a bound that is not sure is left out. */

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc, { runs } from '../../test/random.ts'
import { rowCodec } from '../schema/rows.ts'
import type { Column, Row, TableSchema } from '../schema/schema.ts'
import { temporaryFolder } from '../testing.ts'
import { ParquetFiles } from './parquet.ts'
import { fileStats } from './stats.ts'

const column = (name: string, rest: Partial<Column> = {}): Column => ({
  name,
  type: 'String',
  required: false,
  field: 1,
  ...rest,
})
const one = (type: Column['type'], rest: Partial<Column> = {}): TableSchema => ({
  number: 1,
  columns: [column('c', { type, ...rest })],
  retired: [],
  primaryKey: [],
})

/** The bounds as text, since numbers of 64 bits are no numbers here; undefined without any. */
function bounds(schema: TableSchema, min: string, max: string, more: Readonly<Record<string, string>> = {}) {
  const found = Object.entries({ min, max, null_count: '0', ...more }).map(([key, value]) => ({ key, value }))
  const text = fileStats(schema, 3, [{ key: '"c"', value: found }]).text(true)
  const [, lower] = /"minValues":\{(?:"c":(.*?))?\},"maxValues"/.exec(text) ?? []
  const [, upper] = /"maxValues":\{(?:"c":(.*?))?\},"nullCount"/.exec(text) ?? []
  return [lower, upper]
}

const a = (count: number) => 'a'.repeat(count)
const top = '\u{10ffff}'

const texts: readonly (readonly [string, string, string, string, string | undefined])[] = [
  ['a short text stands as it is', 'a', 'b', 'a', 'b'],
  ['one of 32 characters too', a(32), a(32), a(32), a(32)],
  ['a longer one is cut, and the upper bound rounded up', a(33), a(33), a(32), `${a(31)}b`],
  [
    'characters are counted, not halves of them',
    '💡'.repeat(33),
    '💡'.repeat(33),
    '💡'.repeat(32),
    `${'💡'.repeat(31)}💢`,
  ],
  [
    'what comes behind the last before the surrogates is the first behind them',
    a(33),
    `${a(31)}\ud7ff!`,
    a(32),
    `${a(31)}\ue000`,
  ],
  ['the greatest character is dropped and the one before it rounded', a(33), `${a(30)}b${top}x`, a(32), `${a(30)}c`],
  ['and so are many of them', a(33), `b${top.repeat(40)}`, a(32), 'c'],
]
for (const [name, min, max, lower, upper] of texts) {
  test(`bounds of text: ${name}`, () => {
    assert.deepEqual(bounds(one('String'), min, max), [JSON.stringify(lower), JSON.stringify(upper)])
  })
}
test('bounds of text: above nothing but greatest characters there is none', () => {
  assert.deepEqual(bounds(one('String'), a(3), top.repeat(33)), [undefined, undefined])
})

const others: readonly (readonly [string, TableSchema, string, string, string | undefined, string | undefined])[] = [
  [
    '2^63 - 1',
    one('Int64'),
    '-9223372036854775808',
    '9223372036854775807',
    '-9223372036854775808',
    '9223372036854775807',
  ],
  ['a decimal of 15 digits', one('Decimal', { precision: 15, scale: 2 }), '-0.50', '9.99', '-0.50', '9.99'],
  [
    'a decimal of more, which others read as a double',
    one('Decimal', { precision: 16, scale: 2 }),
    '1',
    '2',
    undefined,
    undefined,
  ],
  ['a decimal without a precision', one('Decimal'), '1', '2', undefined, undefined],
  ['doubles', one('Double'), '-1.7976931348623157e+308', '5e-324', '-1.7976931348623157e+308', '5e-324'],
  ['infinity', one('Double'), '-inf', '1.0', undefined, undefined],
  ['days', one('Date'), '0001-01-01', '9999-12-31', '"0001-01-01"', '"9999-12-31"'],
  [
    'moments, rounded outwards',
    one('Timestamp'),
    '1969-12-31 23:59:59.999999+00',
    '1969-12-31 23:59:59.999001+00',
    '"1969-12-31T23:59:59.999Z"',
    '"1970-01-01T00:00:00.000Z"',
  ],
  [
    'moments on a whole millisecond',
    one('Timestamp'),
    '0001-01-01 00:00:00+00',
    '2024-02-29 12:00:00.5+00',
    '"0001-01-01T00:00:00.000Z"',
    '"2024-02-29T12:00:00.500Z"',
  ],
  [
    'the last moment, above which there is none',
    one('Timestamp'),
    '2024-01-01 00:00:00+00',
    '9999-12-31 23:59:59.999999+00',
    undefined,
    undefined,
  ],
  [
    'moments before the first year',
    one('Timestamp'),
    '0044-03-15 00:00:00+00 (BC)',
    '2024-01-01 00:00:00+00',
    undefined,
    undefined,
  ],
  [
    'moments of another zone',
    one('Timestamp'),
    '2024-01-01 00:00:00+02',
    '2024-01-01 00:00:00+02',
    undefined,
    undefined,
  ],
  ['bytes', one('Bytes'), 'a', 'b', undefined, undefined],
]
for (const [name, schema, min, max, lower, upper] of others) {
  test(`bounds of ${name}`, () => assert.deepEqual(bounds(schema, min, max), [lower, upper]))
}

test('a column with NaN has no bounds, and its nulls are counted', () => {
  assert.deepEqual(bounds(one('Double'), '1.0', '2.0', { has_nan: 'true' }), [undefined, undefined])
  const text = fileStats(one('Double'), 3, [{ key: '"c"', value: [{ key: 'null_count', value: '2' }] }]).text(false)
  assert.deepEqual(JSON.parse(text), {
    numRecords: 3,
    minValues: {},
    maxValues: {},
    nullCount: { c: 2 },
    tightBounds: false,
  })
})

const schema: TableSchema = {
  number: 1,
  columns: [
    column('s'),
    column('i', { type: 'Int64' }),
    column('d', { type: 'Decimal', precision: 15, scale: 3 }),
    column('f', { type: 'Double' }),
    column('t', { type: 'Timestamp' }),
    column('q', { type: 'Int32' }),
  ],
  retired: [],
  primaryKey: [],
}
const codec = rowCodec(schema, 'test/stats')
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: fc.constantFrom('\ud7ff', '\ue000', top, '\u{10fffe}', 'a'), minLength: 30, maxLength: 36 }),
)
const moment = fc
  .tuple(
    fc.constantFrom('0001-01-01', '1969-12-31', '2024-02-29', '9999-12-31'),
    fc.constantFrom('00:00:00.000000Z', '23:59:59.999999Z', '12:00:00.000001Z'),
  )
  .map(([day, time]) => `${day}T${time}`)
const row = fc.record(
  {
    s: text.filter(value => !value.includes('\0')),
    i: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
    d: fc.integer({ min: -999_999_999, max: 999_999_999 }).map(n => (n / 1000).toFixed(3)),
    f: fc.oneof(
      fc.constantFrom('NaN', 'Infinity', '-Infinity', 0, 5e-324),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    ),
    t: moment,
    q: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  },
  { requiredKeys: [] },
)

/** How a value and its bounds compare: as the engines do. */
const order: Readonly<Record<string, (value: unknown, bound: string) => number>> = {
  s: (value, bound) => Buffer.compare(Buffer.from(String(value)), Buffer.from(JSON.parse(bound) as string)),
  i: (value, bound) => Number(BigInt(String(value)) - BigInt(bound)),
  d: (value, bound) => Number(value) - Number(bound),
  f: (value, bound) => (value === 'NaN' ? Number.NaN : Number(value) - Number(bound)),
  // Microseconds against milliseconds.
  t: (value, bound) => {
    const [at, edge] = [String(value).slice(0, 26), (JSON.parse(bound) as string).replace('Z', '000')]
    return at === edge ? 0 : at < edge ? -1 : 1
  },
  q: (value, bound) => Number(value) - Number(bound),
}

test('every row of a file lies within the bounds that are told of it', async () => {
  const { path, remove } = await temporaryFolder()
  const files = await ParquetFiles.open(path, { memory: '256MB', threads: 1 })
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 12 }), async given => {
        const rows = given.map(values => codec.row(JSON.parse(JSON.stringify(values)), 'row'))
        const line = (values: Row, at: number) =>
          `${JSON.stringify({ _revision: at + 1, _commit_time: at + 1, _blasty_batch_end: at + 1, ...values })}\n`
        await writeFile(join(path, 'rows.ndjson'), rows.map(line).join(''))
        const { stats } = await files.writeRows(schema, join(path, 'rows.ndjson'), join(path, 'rows.parquet'))
        const told = stats.text(true)
        const numbers = JSON.parse(told, (_, value, context?: { source?: string }) =>
          typeof value === 'number'
            ? (context?.source ?? String(value))
            : typeof value === 'string'
              ? JSON.stringify(value)
              : value,
        ) as Record<'minValues' | 'maxValues' | 'nullCount', Record<string, string>>
        for (const { name } of schema.columns) {
          const values = rows.map(values => values[name]).filter(value => value !== null && value !== undefined)
          assert.equal(Number(numbers.nullCount[name]), rows.length - values.length)
          const [min, max] = [numbers.minValues[name], numbers.maxValues[name]]
          const compare = order[name]
          assert.ok(compare)
          for (const value of values) {
            if (min !== undefined) assert.ok(compare(value, min) >= 0, `${name}: ${value} is not below ${min}`)
            if (max !== undefined) assert.ok(compare(value, max) <= 0, `${name}: ${value} is not above ${max}`)
          }
          if (name === 'i' && values.length > 0)
            assert.ok(min !== undefined && max !== undefined, 'whole numbers are bounded')
        }
        assert.deepEqual([numbers.minValues._revision, numbers.maxValues._revision], ['1', String(rows.length)])
      }),
      { numRuns: runs(60) },
    )
  } finally {
    files.close()
    await remove()
  }
})
