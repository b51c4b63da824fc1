/** Random values of each column type, full of those that go wrong, as clients may send them. */

import fc from '../../test/random.ts'
import type { Column, ValueType } from '../schema/schema.ts'

const text = fc.oneof(
  fc.constantFrom('', 'null', '[]', 'it\'s "quoted"\\\n\t', 'Ä💡\u{10ffff}', '\u007f\u2028', 'NaN', 'x'.repeat(5_000)),
  fc.string({ unit: 'grapheme' }).filter(value => !value.includes('\0')),
)
const double = fc.oneof(
  fc.constantFrom('NaN', 'Infinity', '-Infinity', 0, -0, 1, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 0.1),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)
const int64 = fc.oneof(
  fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n, 0n),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
)
const day = fc.constantFrom('0001-01-01', '1582-10-10', '1969-12-31', '2024-02-29', '9999-12-31')
const moment = fc
  .tuple(day, fc.constantFrom('00:00:00.000000Z', '23:59:59.999999Z', '12:00:00.000001Z', '06:30:00.100000Z'))
  .map(([date, time]) => `${date}T${time}`)
const bytes = fc.uint8Array({ maxLength: 20 }).map(value => Buffer.from(value).toString('base64'))
const place = fc.record({
  lat: fc.double({ min: -90, max: 90, noNaN: true }),
  lon: fc.double({ min: -180, max: 180, noNaN: true }),
})
const json = fc.jsonValue().filter(value => value !== null && !JSON.stringify(value).includes('u0000'))

function decimal(precision: number, scale: number): fc.Arbitrary<string> {
  const most = 10n ** BigInt(precision) - 1n
  return fc.oneof(fc.constantFrom(most, -most, 0n, -1n), fc.bigInt({ min: -most, max: most })).map(value => {
    const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0')
    const fraction = scale > 0 ? `.${digits.slice(-scale)}` : ''
    return `${value < 0n ? '-' : ''}${scale > 0 ? digits.slice(0, -scale) : digits}${fraction}`
  })
}

function scalar({ type, precision = 38, scale = 0 }: ValueType): fc.Arbitrary<unknown> {
  switch (type) {
    case 'String':
      return text
    case 'Int32':
      return fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
    case 'Int64':
      return int64.map(String)
    case 'Double':
      return double
    case 'Decimal':
      return decimal(precision, scale)
    case 'Boolean':
      return fc.boolean()
    case 'Date':
      return day
    case 'Timestamp':
      return moment
    case 'UUID':
      return fc.uuid()
    case 'Bytes':
      return bytes
    case 'JSON':
      return json
    case 'GeoPoint':
      return place
    case 'Blob':
      return fc.constant({ sha256: 'ab'.repeat(32), size: Number.MAX_SAFE_INTEGER, type: 'image/png' })
  }
}

/** A value of a column, never null. */
export function columnValue(column: Pick<Column, 'type' | 'precision' | 'scale' | 'items'>): fc.Arbitrary<unknown> {
  const { type, items = { type: 'String' } } = column
  return type === 'Array' ? fc.array(scalar(items), { maxLength: 4 }) : scalar({ ...column, type })
}
