/** Lines as rows: whatever a line holds, it becomes the row, or the error, that a request with that row alone would get. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlastyError } from '../../base/errors.ts'
import fc, { runs } from '../../test/random.ts'
import { RowPacker } from '../log/packed.ts'
import { parsed } from '../schema/parsed.ts'
import { rowCodec } from '../schema/rows.ts'
import type { Column, TableSchema } from '../schema/schema.ts'
import { jsonLines } from './json-lines.ts'
import type { LineFormat } from './line-format.ts'
import { LineJoiner, maxLineBytes } from './lines.ts'
import { textLines } from './text-lines.ts'

const column = (field: number, type: Column['type'], rest: Partial<Column> = {}): Column => ({
  name: `c${field}_${type.toLowerCase()}`,
  type,
  required: false,
  field,
  ...rest,
})
const schema: TableSchema = {
  number: 1,
  columns: [
    column(1, 'String', { required: true }),
    column(2, 'Int32'),
    column(3, 'Int64'),
    column(4, 'Double'),
    column(5, 'Decimal', { precision: 6, scale: 2 }),
    column(6, 'Decimal', { precision: 4, scale: 4 }),
    column(7, 'Decimal', { precision: 3, scale: 0 }),
    column(8, 'Boolean'),
    column(9, 'Date'),
    column(10, 'Timestamp'),
    column(11, 'UUID'),
    column(12, 'Bytes'),
    column(13, 'JSON'),
    column(14, 'Array', { items: { type: 'Int32' } }),
  ],
  retired: [],
  primaryKey: [],
}
const codec = rowCodec(schema, 'test/lines')

type Outcome =
  | { readonly row: string }
  | { readonly code: string; readonly message: string; readonly violations: unknown }

function outcomeOf(work: () => string): Outcome {
  try {
    return { row: work() }
  } catch (error) {
    assert.ok(error instanceof BlastyError, String(error))
    return { code: error.code, message: error.message, violations: error.violations }
  }
}

/** Rows as one record holds them; nothing for none. */
const arrayOf = (rows: readonly object[]): string =>
  rows.length === 0 ? '' : `[${rows.map(row => JSON.stringify(row)).join(',')}]`

/** All rows that lines come to. */
function pack(format: LineFormat, lines: Buffer, first = 1): string {
  const packer = new RowPacker()
  format.pack(lines, packer, first)
  return packer.finish().bodies.map(String).join('\n')
}

const number = fc
  .oneof(
    fc.integer(),
    fc.double(),
    fc.constantFrom(
      0,
      -0,
      1e-6,
      1e-7,
      123456789012345,
      1e15,
      2 ** 53,
      2 ** 63,
      1e21,
      0.1 + 0.2,
      2147483647,
      -2147483648,
    ),
    fc.integer({ min: -(10 ** 6), max: 10 ** 6 }).map(n => n / 1000),
  )
  .map(value => JSON.stringify(value) ?? 'null')
const spelled = fc.constantFrom(
  '-0',
  '0.0',
  '-0.0',
  '1.0',
  '1.50',
  '01',
  '1e3',
  '1E-7',
  '0.0000001',
  '0.000001',
  '0.0000012',
  '123456789.123456789',
  '999999999999999.5',
  '12345678901234567890',
  '-',
  '.5',
  '5.',
  '+1',
  '0x1',
  'NaN',
  '-1',
  '1-',
  '100000000000000000000000',
  '9007199254740993',
)
const quoted = fc
  .constantFrom(
    '0',
    '-0',
    '1',
    '-1',
    '007',
    '9223372036854775807',
    '9223372036854775808',
    '-9223372036854775808',
    '999999999999999999',
    '12.50',
    '-12.50',
    '-0.00',
    '0.00',
    '0.5',
    '12.5',
    '1234.56',
    '12345.67',
    '0.1234',
    '1.1234',
    '.1234',
    '999',
    '1000',
    '-999',
    '1e2',
    '12.500',
    'true',
    'NaN',
    'Infinity',
    '2024-02-29',
    '2023-02-29',
    '0000-01-01',
    '0001-01-01',
    '9999-12-31',
    '2024-1-01',
    '2024-02-29T23:59:59Z',
    '2024-02-29T23:59:59.1Z',
    '2024-02-29T23:59:59.123456Z',
    '2024-02-29T23:59:59.1234567Z',
    '2024-02-29T23:59:59.1234560Z',
    '2024-02-29T24:00:00Z',
    '2024-02-29T23:60:00Z',
    '2024-02-29T23:59:60Z',
    '2024-02-29T23:59:59.Z',
    '2024-02-29T23:59:59',
    '2024-02-29t23:59:59z',
    '2024-02-29T23:59:59+02:00',
    '2023-02-29T00:00:00Z',
    '550e8400-e29b-41d4-a716-446655440000',
    '550E8400-E29B-41D4-A716-446655440000',
    '550e8400e29b41d4a716446655440000',
    'AP8=',
    'AP8',
    '%',
  )
  .map(text => JSON.stringify(text))
const text = fc
  .oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('a\\b', '"', 'tab\t', '\u2028', '💡', 'a\0b', '\ud800', '\x7f'),
  )
  .map(value => JSON.stringify(value))
const otherText = fc.constantFrom(
  '"\\u0041"',
  '"\\/"',
  '"\\u0000"',
  '"\\ud83d\\ude00"',
  '"\\ud800"',
  '"open',
  '"bad \\x"',
)
const value = fc.oneof(
  { weight: 3, arbitrary: quoted },
  { weight: 2, arbitrary: number },
  spelled,
  text,
  otherText,
  fc.constantFrom('true', 'false', 'null', 'nul', 'truer', '{}', '[]', '[1,2]', '[null]', '{"a": [1, 2.0]}'),
)
const blank = fc.constantFrom('', '', '', ' ', '\t', '  ', '\r')
const name = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(...schema.columns.map(({ name }) => name)) },
  fc.constantFrom('other', '', '__proto__', 'c1_strin', 'c1_stringg', '\\u0063\\u0031_string'),
)
const pair = fc.tuple(name, value, blank, blank, blank).map(([key, json, a, b, c]) => `${a}"${key}"${b}:${c}${json}`)
const line = fc
  .tuple(fc.boolean(), fc.array(pair, { maxLength: 6 }), blank, fc.constantFrom('}', '}', '}', '}', '}}', '', '},'))
  .map(([first, pairs, before, end]) => {
    const required = first ? [`"c1_string":"x"`] : []
    return `${before}{${[...required, ...pairs].join(',')}${end}`
  })

test('a line of JSON is the row, to the byte, or the error that the row by itself is', () => {
  const format = jsonLines(codec)
  fc.assert(
    fc.property(line, json => {
      fc.pre(!/[\n]/.test(json))
      const place = 'lines[7]'
      const expected = outcomeOf(() => `[${JSON.stringify(codec.row(parsed(json, place), place))}]`)
      const given = Buffer.from(`${json}\n`)
      assert.deepEqual(
        outcomeOf(() => pack(format, given, 7)),
        expected,
      )
    }),
    { numRuns: runs(20_000) },
  )
})

const canonical = fc
  .record({
    c1_string: fc.string({ unit: 'grapheme' }).filter(given => !given.includes('\0')),
    c2_int32: fc.option(fc.integer()),
    c3_int64: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)),
    c4_double: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
    c10_timestamp: fc.option(
      fc
        .date({ min: new Date('0001-01-02'), max: new Date('9999-12-30'), noInvalidDate: true })
        .map(at => at.toISOString()),
    ),
  })
  .chain(row => fc.shuffledSubarray(Object.entries(row), { minLength: 5 }).map(Object.fromEntries))

test('many lines, cut into chunks anywhere, are the same rows in the same order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(canonical, fc.constantFrom('\n', '\r\n', '\n\n', '\n \r\n')), { maxLength: 30 }),
      fc.array(fc.nat(4000), { maxLength: 6 }),
      fc.boolean(),
      fc.boolean(),
      (rows, cuts, ended, mark) => {
        const lines = rows.map(([row, end]) => JSON.stringify(row) + end).join('')
        const bytes = Buffer.from((mark ? '\ufeff' : '') + (ended ? lines : lines.trimEnd()))
        const joiner = new LineJoiner()
        const format = jsonLines(codec)
        const packer = new RowPacker()
        let line = 1
        const take = (whole: Buffer) => {
          line += format.pack(whole, packer, line).lines
        }
        let from = 0
        for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
          take(joiner.push(bytes.subarray(from, cut), line))
          from = Math.max(from, cut)
        }
        take(joiner.finish())
        const packed = packer.finish()
        const expected = rows.map(([row]) => codec.row(row, 'row'))
        assert.equal(packed.rows, expected.length)
        assert.deepEqual(
          packed.bodies.flatMap(body => JSON.parse(String(body))),
          expected,
        )
        assert.equal(packed.bodies.map(String).join(), arrayOf(expected))
      },
    ),
    { numRuns: runs(500) },
  )
})

test('a line of text is a row with that text, whatever characters it holds', () => {
  const constants = { c2_int32: 5, c13_json: { c1_string: '' }, c9_date: '2026-01-31' }
  const format = textLines(codec, { column: 'c1_string', constants })
  const texts = fc.string({ unit: 'binary' }).map(given => given.toWellFormed().replace(/[\r\n]/g, ' '))
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constantFrom('', 'GET "/" \\ \t\x1b[0m', 'a\0b'), texts), { maxLength: 8 }),
      fc.constantFrom('\n', '\r\n'),
      (all, end) => {
        const expected = outcomeOf(() => {
          const rows = all.flatMap((one, i) =>
            one === '' ? [] : [codec.row({ ...constants, c1_string: one }, `lines[${i + 1}]`)],
          )
          return arrayOf(rows)
        })
        assert.deepEqual(
          outcomeOf(() => pack(format, Buffer.from(all.map(one => one + end).join('')))),
          expected,
        )
      },
    ),
    { numRuns: runs(2000) },
  )
})

const fails = (work: () => unknown, code: string, place: RegExp) =>
  assert.throws(
    work,
    (error: unknown) => error instanceof BlastyError && error.code === code && place.test(error.message),
  )

test('the line that is at fault is named, be it no UTF-8, too long, or a row too large', () => {
  const good = '{"c1_string":"x"}\n'
  const format = jsonLines(codec)
  const lines = textLines(codec, { column: 'c1_string', constants: {} })
  const notUtf8 = Buffer.concat([Buffer.from(`${good}\n`), Buffer.from('{"c1_string":"\xff"}\n', 'latin1')])
  fails(() => pack(format, notUtf8), 'INVALID_ARGUMENT', /lines\[3\]: is not UTF-8/)
  fails(() => pack(lines, notUtf8), 'INVALID_ARGUMENT', /lines\[3\]: is not UTF-8/)
  const large = 'x'.repeat(1_000_000)
  fails(() => pack(format, Buffer.from(`${good}{"c1_string":"${large}"}\n`)), 'ROW_TOO_LARGE', /lines\[2\]/)
  fails(() => pack(lines, Buffer.from(`a\n${large}\n`)), 'ROW_TOO_LARGE', /lines\[2\]/)
  const blanks = ' '.repeat(2_000_000)
  assert.equal(pack(format, Buffer.from(`{${blanks}"c1_string":"x"}\n`)), '[{"c1_string":"x"}]')
  fails(
    () => pack(format, Buffer.from(`{${' '.repeat(maxLineBytes)}"c1_string":"x"}\n`)),
    'ROW_TOO_LARGE',
    /lines\[1\]/,
  )
  const joiner = new LineJoiner()
  joiner.push(Buffer.from('a\nb'), 1)
  fails(() => joiner.push(Buffer.alloc(maxLineBytes, 0x20), 2), 'ROW_TOO_LARGE', /lines\[2\]/)
})

test('a column that takes no text, or constants that do not fit, are refused before any line', () => {
  const open = (name: string, constants: unknown) => () => textLines(codec, { column: name, constants })
  fails(open('c2_int32', {}), 'INVALID_ARGUMENT', /open\.text\.column/)
  fails(open('other', {}), 'INVALID_ARGUMENT', /open\.text\.column/)
  fails(open('c1_string', []), 'INVALID_ARGUMENT', /constants_json/)
  fails(open('c1_string', { c1_string: 'x' }), 'INVALID_ARGUMENT', /constants_json/)
  fails(open('c1_string', { c2_int32: 'x' }), 'INVALID_ROW', /constants_json\.c2_int32/)
  const two = rowCodec(
    { ...schema, columns: [...schema.columns, column(15, 'String', { required: true })] },
    'test/two',
  )
  fails(() => textLines(two, { column: 'c1_string', constants: {} }), 'INVALID_ROW', /c15_string is required/)
})

test('rows fill messages of a quarter of a mebibyte, and a large one has one of its own', () => {
  const packer = new RowPacker()
  const row = Buffer.from('1'.repeat(99_999))
  for (let i = 0; i < 5; i++) packer.copy(row, 0, row.length)
  packer.copy(Buffer.alloc(900_000, 0x31), 0, 900_000)
  const { bodies, rows } = packer.finish()
  assert.deepEqual([rows, bodies.map(({ length }) => length)], [6, [200_001, 200_001, 99_999 + 2, 900_002]])
  assert.equal(JSON.parse(bodies.join('').replaceAll('][', ',')).length, 6)
  assert.deepEqual(new RowPacker().finish(), { bodies: [], rows: 0 })
})
