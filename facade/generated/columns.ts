/** Columns as fields of typed messages: which protobuf type stands for which column type. */

import type { Column, ScalarType, TableSchema, ValueType } from '../../engine/schema/schema.ts'
import type { ProtoField } from './model.ts'
import { fieldNames } from './names.ts'

type Mapping = {
  /** Type of a field that holds one value. */
  readonly type: string
  /** Message that holds the values of a nullable array, so that null and empty stay two things. */
  readonly list: string
  /** How a value is written, for the comment. */
  readonly note?: string
}

const mappings: Readonly<Record<ScalarType, Mapping>> = {
  String: { type: 'string', list: '.blasty.v1.StringList' },
  Int32: { type: 'int32', list: '.blasty.v1.Int32List' },
  Int64: { type: 'int64', list: '.blasty.v1.Int64List' },
  Double: { type: 'double', list: '.blasty.v1.DoubleList' },
  Decimal: { type: 'string', list: '.blasty.v1.StringList', note: 'plain decimal notation' },
  Boolean: { type: 'bool', list: '.blasty.v1.BooleanList' },
  Date: { type: 'string', list: '.blasty.v1.StringList', note: 'such as 2026-01-31' },
  Timestamp: { type: '.google.protobuf.Timestamp', list: '.blasty.v1.TimestampList', note: 'whole microseconds' },
  UUID: { type: 'string', list: '.blasty.v1.StringList', note: 'lower case' },
  Bytes: { type: 'bytes', list: '.blasty.v1.BytesList' },
  JSON: { type: '.google.protobuf.Value', list: '.blasty.v1.JsonList', note: 'any JSON value' },
  GeoPoint: { type: '.blasty.v1.GeoPoint', list: '.blasty.v1.GeoPointList' },
  Blob: { type: '.blasty.v1.BlobRef', list: '.blasty.v1.BlobRefList' },
}

const nameOf = ({ type, precision, scale }: ValueType): string =>
  type === 'Decimal' ? `Decimal(${precision ?? 38}, ${scale ?? 0})` : type

/** The type of the column's values: of its items, for an array. */
export function valueType(column: Column): ValueType {
  if (column.type === 'Array') return column.items ?? { type: 'String' }
  const { type, precision, scale } = column
  return { type, ...(precision === undefined ? {} : { precision }), ...(scale === undefined ? {} : { scale }) }
}

/** How a column's field holds its value. */
export type ColumnShape = 'required' | 'nullable' | 'requiredArray' | 'nullableArray'

export function shapeOf(column: Column, schema: TableSchema): ColumnShape {
  const required = column.required || schema.primaryKey.includes(column.name)
  if (column.type === 'Array') return required ? 'requiredArray' : 'nullableArray'
  return required ? 'required' : 'nullable'
}

/** The field of each column, in the schema's order, and what is reserved for retired ones. */
export function columnFields(schema: TableSchema): {
  readonly fields: ReadonlyMap<string, ProtoField>
  readonly reserved: readonly { readonly name: string; readonly number: number }[]
} {
  const names = fieldNames([...schema.columns, ...schema.retired])
  const fieldName = (column: string) => names.get(column) ?? column
  return {
    fields: new Map(schema.columns.map(column => [column.name, fieldOf(column, schema, fieldName(column.name))])),
    reserved: schema.retired.map(({ name, field }) => ({ name: fieldName(name), number: field })),
  }
}

function fieldOf(column: Column, schema: TableSchema, name: string): ProtoField {
  const value = valueType(column)
  const { type, list, note } = mappings[value.type]
  const shape = shapeOf(column, schema)
  const isMessage = type.startsWith('.')
  const array = shape === 'requiredArray' || shape === 'nullableArray'
  const what = [
    array ? `Array of ${nameOf(value)}` : nameOf(value),
    ...(note === undefined ? [] : [note]),
    ...(schema.primaryKey.includes(column.name) ? ['part of the primary key'] : []),
    ...(shape.startsWith('nullable') ? ['unset when null'] : []),
  ].join(', ')
  return {
    name,
    number: column.field,
    type: shape === 'nullableArray' ? list : type,
    ...(shape === 'requiredArray' ? { label: 'repeated' as const } : {}),
    ...(shape === 'nullable' && !isMessage ? { label: 'optional' as const } : {}),
    jsonName: column.name,
    comment: `${what}.`,
  }
}
