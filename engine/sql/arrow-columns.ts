/** Columns of DuckDB as Arrow lays them out in memory: https://arrow.apache.org/docs/format/Columnar.html. */

import {
  DuckDBArrayType,
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalType,
  DuckDBDecimalValue,
  DuckDBListType,
  DuckDBListValue,
  DuckDBMapType,
  DuckDBMapValue,
  DuckDBStructType,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
} from '@duckdb/node-api'
import {
  Binary,
  Bool,
  type Data,
  type DataType,
  DateDay,
  Decimal,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  List,
  Map_,
  makeData,
  Struct,
  TimeMicrosecond,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from 'apache-arrow'

type Values = readonly (DuckDBValue | undefined)[]

/** A type of Arrow's, and how values of DuckDB's become its buffers. */
export type ArrowColumn = { readonly type: DataType; readonly data: (values: Values) => Data }

/** How a column of this type becomes one of Arrow's. Types that Arrow has not (intervals, bits, unions …) become text. */
export function arrowColumn(type: DuckDBType): ArrowColumn {
  if (type instanceof DuckDBDecimalType) return decimals(type.width, type.scale)
  if (type instanceof DuckDBListType) return lists(type.valueType)
  if (type instanceof DuckDBArrayType) return arrays(type.valueType, type.length)
  if (type instanceof DuckDBStructType) return structs(type.entryNames, type.entryTypes)
  if (type instanceof DuckDBMapType) return maps(type.keyType, type.valueType)
  switch (type.typeId) {
    case DuckDBTypeId.BOOLEAN:
      return {
        type: new Bool(),
        data: values =>
          plain(
            new Bool(),
            values,
            bits(values, value => value === true),
          ),
      }
    case DuckDBTypeId.TINYINT:
      return numbers(new Int8(), Int8Array)
    case DuckDBTypeId.SMALLINT:
      return numbers(new Int16(), Int16Array)
    case DuckDBTypeId.INTEGER:
      return numbers(new Int32(), Int32Array)
    case DuckDBTypeId.UTINYINT:
      return numbers(new Uint8(), Uint8Array)
    case DuckDBTypeId.USMALLINT:
      return numbers(new Uint16(), Uint16Array)
    case DuckDBTypeId.UINTEGER:
      return numbers(new Uint32(), Uint32Array)
    case DuckDBTypeId.FLOAT:
      return numbers(new Float32(), Float32Array)
    case DuckDBTypeId.DOUBLE:
      return numbers(new Float64(), Float64Array)
    case DuckDBTypeId.BIGINT:
      return bigints(new Int64(), whole)
    case DuckDBTypeId.UBIGINT:
      return { type: new Uint64(), data: values => plain(new Uint64(), values, BigUint64Array.from(values, whole)) }
    case DuckDBTypeId.HUGEINT:
      return decimals(38, 0)
    case DuckDBTypeId.DATE:
      return {
        type: new DateDay(),
        data: values =>
          plain(
            new DateDay(),
            values,
            Int32Array.from(values, value => (value instanceof DuckDBDateValue ? value.days : 0)),
          ),
      }
    case DuckDBTypeId.TIME:
      return bigints(new TimeMicrosecond(), value => (value instanceof DuckDBTimeValue ? value.micros : 0n))
    case DuckDBTypeId.TIMESTAMP:
      return bigints(new TimestampMicrosecond(), ticks)
    case DuckDBTypeId.TIMESTAMP_TZ:
      return bigints(new TimestampMicrosecond('UTC'), ticks)
    case DuckDBTypeId.TIMESTAMP_S:
      return bigints(new TimestampSecond(), ticks)
    case DuckDBTypeId.TIMESTAMP_MS:
      return bigints(new TimestampMillisecond(), ticks)
    case DuckDBTypeId.TIMESTAMP_NS:
      return bigints(new TimestampNanosecond(), ticks)
    case DuckDBTypeId.BLOB:
      return {
        type: new Binary(),
        data: values =>
          variable(
            new Binary(),
            values,
            values.map(value => (value instanceof DuckDBBlobValue ? value.bytes : new Uint8Array())),
          ),
      }
    default:
      return {
        type: new Utf8(),
        data: values =>
          variable(
            new Utf8(),
            values,
            values.map(value => Buffer.from(isNull(value) ? '' : String(value))),
          ),
      }
  }
}

const isNull = (value: DuckDBValue | undefined): value is null | undefined => value === null || value === undefined
const whole = (value: DuckDBValue | undefined): bigint => (typeof value === 'bigint' ? value : 0n)

function ticks(value: DuckDBValue | undefined): bigint {
  if (value instanceof DuckDBTimestampTZValue || value instanceof DuckDBTimestampValue) return value.micros
  if (value instanceof DuckDBTimestampNanosecondsValue) return value.nanos
  if (value instanceof DuckDBTimestampMillisecondsValue) return value.millis
  return value instanceof DuckDBTimestampSecondsValue ? value.seconds : 0n
}

/** One bit a value, the least significant first. */
function bits(values: Values, isSet: (value: DuckDBValue | undefined) => boolean): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(values.length / 8))
  values.forEach((value, index) => {
    if (isSet(value)) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (1 << (index & 7))
  })
  return bytes
}

function validity(values: Values) {
  const nullCount = values.reduce((count: number, value) => count + (isNull(value) ? 1 : 0), 0)
  const nullBitmap = nullCount === 0 ? null : bits(values, value => !isNull(value))
  return { length: values.length, nullCount, nullBitmap }
}

const plain = (type: DataType, values: Values, data: ArrayBufferView): Data =>
  makeData({ type, ...validity(values), data } as never)

type NumberArray = { from(values: Values, map: (value: DuckDBValue | undefined) => number): ArrayBufferView }
const numbers = (type: DataType, array: NumberArray): ArrowColumn => ({
  type,
  data: values =>
    plain(
      type,
      values,
      array.from(values, value => (typeof value === 'number' ? value : 0)),
    ),
})
const bigints = (type: DataType, of: (value: DuckDBValue | undefined) => bigint): ArrowColumn => ({
  type,
  data: values => plain(type, values, BigInt64Array.from(values, of)),
})

/** 128 bits each, two's complement, little-endian. */
function decimals(width: number, scale: number): ArrowColumn {
  const type = new Decimal(scale, width, 128)
  const data = (values: Values): Data => {
    const words = new BigUint64Array(values.length * 2)
    values.forEach((value, index) => {
      const unscaled = value instanceof DuckDBDecimalValue ? value.value : whole(value)
      words[index * 2] = BigInt.asUintN(64, unscaled)
      words[index * 2 + 1] = BigInt.asUintN(64, unscaled >> 64n)
    })
    return plain(type, values, new Uint32Array(words.buffer))
  }
  return { type, data }
}

/** Where each of items that lie one behind the other begins, and where the last ends. */
function offsetsOf(lengths: readonly number[]): Int32Array {
  const offsets = new Int32Array(lengths.length + 1)
  lengths.forEach((length, index) => {
    offsets[index + 1] = (offsets[index] ?? 0) + length
  })
  return offsets
}

function variable(type: Utf8 | Binary, values: Values, items: readonly Uint8Array[]): Data {
  const valueOffsets = offsetsOf(items.map(({ length }) => length))
  return makeData({ type, ...validity(values), valueOffsets, data: Buffer.concat(items) } as never)
}

function lists(item: DuckDBType): ArrowColumn {
  const inner = arrowColumn(item)
  const type = new List(new Field('item', inner.type, true))
  const data = (values: Values): Data => {
    const items = values.map(value => (value instanceof DuckDBListValue ? value.items : []))
    const valueOffsets = offsetsOf(items.map(({ length }) => length))
    return makeData({ type, ...validity(values), valueOffsets, child: inner.data(items.flat()) })
  }
  return { type, data }
}

function arrays(item: DuckDBType, length: number): ArrowColumn {
  const inner = arrowColumn(item)
  const type = new FixedSizeList(length, new Field('item', inner.type, true))
  const empty = new Array<null>(length).fill(null)
  const data = (values: Values): Data => {
    const items = values.flatMap(value => (value instanceof DuckDBArrayValue ? value.items : empty))
    return makeData({ type, ...validity(values), child: inner.data(items) })
  }
  return { type, data }
}

function structs(names: readonly string[], types: readonly DuckDBType[]): ArrowColumn {
  const inner = types.map(arrowColumn)
  const type = new Struct(inner.map((column, index) => new Field(names[index] ?? '', column.type, true)))
  const data = (values: Values): Data => {
    const children = inner.map((column, index) =>
      column.data(values.map(value => (value instanceof DuckDBStructValue ? value.entries[names[index] ?? ''] : null))),
    )
    return makeData({ type, ...validity(values), children })
  }
  return { type, data }
}

function maps(key: DuckDBType, value: DuckDBType): ArrowColumn {
  const keys = arrowColumn(key)
  const inner = arrowColumn(value)
  const entry = new Struct([new Field('key', keys.type, false), new Field('value', inner.type, true)])
  const type = new Map_(new Field('entries', entry, false))
  const data = (values: Values): Data => {
    const entries = values.map(map => (map instanceof DuckDBMapValue ? map.entries : []))
    const flat = entries.flat()
    const children = [keys.data(flat.map(each => each.key)), inner.data(flat.map(each => each.value))]
    const child = makeData({ type: entry, length: flat.length, nullCount: 0, children })
    return makeData({ type, ...validity(values), valueOffsets: offsetsOf(entries.map(({ length }) => length)), child })
  }
  return { type, data }
}
