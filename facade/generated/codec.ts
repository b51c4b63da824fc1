/** Rows of one schema between canonical JSON and the Table's own messages; compiled once a schema. */

import { create, type DescMessage, type Message } from '@bufbuild/protobuf'
import { BlastyError, type FieldViolation } from '../../base/errors.ts'
import type { Json, Row, TableSchema } from '../../engine/schema/schema.ts'
import { type ColumnShape, shapeOf, valueType } from './columns.ts'
import { UnfitValue, type ValueCodec, valueCodec } from './values.ts'

type Column = {
  readonly name: string
  /** Property of the message. */
  readonly property: string
  readonly shape: ColumnShape
  readonly value: ValueCodec
}

/** Codec of one message that holds columns: the row's or the key's. */
export type ColumnsCodec = {
  /**
   * The columns that the message sets, as JSON to be checked against the schema.
   * @param place where the message stands in the request, such as `row`
   * @throws BlastyError INVALID_ROW for values that no JSON stands for
   */
  readonly read: (message: object, place: string) => Record<string, Json>
  /** The message of a row; null and absent columns stay unset. */
  readonly write: (row: Row) => Message
}

/** Compiles the codec of a message whose fields are columns of the schema. `table` is named in messages. */
export function columnsCodec(desc: DescMessage, schema: TableSchema, table: string): ColumnsCodec {
  const columns = schema.columns.flatMap((column): Column[] => {
    const field = desc.fields.find(({ number }) => number === column.field)
    if (!field) return []
    const value = valueCodec(valueType(column).type)
    return [{ name: column.name, property: field.localName, shape: shapeOf(column, schema), value }]
  })
  return {
    read: (message, place) => {
      const given = message as Readonly<Record<string, unknown>>
      const row: Record<string, Json> = {}
      const violations: FieldViolation[] = []
      for (const column of columns) {
        const value = given[column.property]
        if (value === undefined) continue
        try {
          row[column.name] = readColumn(column, value)
        } catch (error) {
          if (!(error instanceof UnfitValue)) throw error
          violations.push({ field: `${place}.${column.name}`, description: error.message })
        }
      }
      if (violations.length > 0) throw unfit(table, place, violations)
      return row
    },
    write: row => {
      const init: Record<string, unknown> = {}
      for (const column of columns) {
        const json = row[column.name]
        if (json !== undefined && json !== null) init[column.property] = writeColumn(column, json)
      }
      return create(desc, init)
    },
  }
}

/** The casts below are sound: the field was declared with the type that the codec of its column takes. */
function readColumn({ shape, value }: Column, given: unknown): Json {
  switch (shape) {
    case 'required':
    case 'nullable':
      return value.read(given as never)
    case 'requiredArray':
      return (given as never[]).map(value.read)
    case 'nullableArray':
      return (given as { values: never[] }).values.map(value.read)
  }
}

function writeColumn({ shape, value }: Column, json: Json): unknown {
  switch (shape) {
    case 'required':
    case 'nullable':
      return value.write(json as never)
    case 'requiredArray':
      return (json as never[]).map(value.write)
    case 'nullableArray':
      return { values: (json as never[]).map(value.write) }
  }
}

function unfit(table: string, place: string, violations: readonly FieldViolation[]): BlastyError {
  const text = violations.map(({ field, description }) => `${field} ${description}`).join('; ')
  return new BlastyError('INVALID_ROW', { row: place, table, violations: text }, { violations })
}
