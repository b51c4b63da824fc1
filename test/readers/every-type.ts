/** A schema with a column of every type, and rows at the edges of each, in canonical JSON. */
import type { Column, Json, Row, TableSchema, ValueType } from '../../engine/schema/schema.ts'

const blob: Json = { sha256: 'ab'.repeat(32), size: Number.MAX_SAFE_INTEGER, type: 'image/png' }

/** By column: its type and the values it takes in turn, row by row; shorter ones go on with null. */
const columns: Readonly<
  Record<string, readonly [type: ValueType | { readonly items: ValueType }, values: readonly Json[]]>
> = {
  text: [
    { type: 'String' },
    ['', 'plain', '日本 🦀 e\u0301 \u2028 "quoted" \\ \'', '\u0001\ufffd\u{10ffff}', ' padded ', 'x'.repeat(100_000)],
  ],
  int32: [{ type: 'Int32' }, [0, -2147483648, 2147483647, -1]],
  int64: [{ type: 'Int64' }, ['0', '-9223372036854775808', '9223372036854775807', '9007199254740993', '-1']],
  double: [{ type: 'Double' }, [0, 'NaN', 'Infinity', '-Infinity', 5e-324, 1.7976931348623157e308, 0.1, -1.5]],
  small: [{ type: 'Decimal', precision: 9, scale: 2 }, ['0.00', '-9999999.99', '9999999.99', '0.01']],
  middle: [{ type: 'Decimal', precision: 18, scale: 4 }, ['0.0000', '-99999999999999.9999', '99999999999999.9999']],
  wide: [
    { type: 'Decimal', precision: 38, scale: 10 },
    ['0.0000000000', `-${'9'.repeat(28)}.${'9'.repeat(10)}`, `${'9'.repeat(28)}.${'9'.repeat(10)}`, '-0.0000000001'],
  ],
  whole: [{ type: 'Decimal', precision: 38, scale: 0 }, ['0', `-${'9'.repeat(38)}`, '9'.repeat(38)]],
  fraction: [
    { type: 'Decimal', precision: 38, scale: 38 },
    [`0.${'0'.repeat(38)}`, `-0.${'9'.repeat(38)}`, `0.${'0'.repeat(37)}1`],
  ],
  flag: [{ type: 'Boolean' }, [true, false]],
  day: [
    { type: 'Date' },
    ['1970-01-01', '0001-01-01', '9999-12-31', '1969-12-31', '1582-10-04', '1582-10-15', '2024-02-29'],
  ],
  moment: [
    { type: 'Timestamp' },
    [
      '1970-01-01T00:00:00.000000Z',
      '0001-01-01T00:00:00.000000Z',
      '9999-12-31T23:59:59.999000Z',
      '1969-12-31T23:59:59.999999Z',
      '1582-10-04T00:00:00.000499Z',
      '2026-01-31T12:00:00.123456Z',
      '2262-04-12T00:00:00.000500Z',
      '1900-01-01T00:00:00.000500Z',
    ],
  ],
  uuid: [{ type: 'UUID' }, ['00000000-0000-0000-0000-000000000000', '0f8fad5b-d9cb-469f-a165-70867728950e']],
  bytes: [{ type: 'Bytes' }, ['', 'AP8=', Buffer.alloc(70_000, 7).toString('base64')]],
  json: [{ type: 'JSON' }, [{}, [], 'text', 0, false, { a: [1, null, { 'ä "': '\u2028' }] }, 1e300]],
  place: [
    { type: 'GeoPoint' },
    [
      { lat: 0, lon: 0 },
      { lat: -90, lon: 180 },
      { lat: 48.137154, lon: 11.576124 },
    ],
  ],
  blob: [{ type: 'Blob' }, [blob]],
  texts: [{ items: { type: 'String' } }, [[], [''], ['a', null, '🦀'], [null]]],
  int64s: [{ items: { type: 'Int64' } }, [[], ['9223372036854775807', null], ['-9223372036854775808']]],
  doubles: [{ items: { type: 'Double' } }, [[], ['NaN', '-Infinity', null, 0.1]]],
  decimals: [{ items: { type: 'Decimal', precision: 38, scale: 2 } }, [[], ['0.01', null, `-${'9'.repeat(36)}.99`]]],
  days: [{ items: { type: 'Date' } }, [[], ['0001-01-01', null, '9999-12-31']]],
  moments: [
    { items: { type: 'Timestamp' } },
    [[], ['1969-12-31T23:59:59.000001Z', null, '2026-01-31T12:00:00.999500Z']],
  ],
  byteses: [{ items: { type: 'Bytes' } }, [[], ['', null, 'AP8=']]],
}

const rowCount = 9

const column = (name: string, type: ValueType | { readonly items: ValueType }, field: number): Column =>
  'items' in type
    ? { name, type: 'Array', items: type.items, required: false, field }
    : { name, ...type, required: false, field }

/** `id` is its key, from 1. */
export const everyType: TableSchema = {
  number: 1,
  columns: [
    { name: 'id', type: 'Int64', required: true, field: 1 },
    ...Object.entries(columns).map(([name, [type]], index) => column(name, type, index + 2)),
  ],
  retired: [],
  primaryKey: ['id'],
}

/** Rows 1 to 9; the last is null but for its key. */
export const everyRow: readonly Row[] = Array.from({ length: rowCount }, (_, index) => ({
  id: String(index + 1),
  ...Object.fromEntries(Object.entries(columns).map(([name, [, values]]) => [name, values[index] ?? null])),
}))
