/** The columns of a Table as a Delta schema (Delta protocol, Schema Serialization Format; the types are those of DESIGN §4). */

import { commitTimeColumn, revisionColumn } from '../../replica/sql-types.ts'
import type { Column, ScalarType, TableSchema, ValueType } from '../../schema/schema.ts'

type DeltaType =
  | string
  | { readonly type: 'struct'; readonly fields: readonly DeltaField[] }
  | { readonly type: 'array'; readonly elementType: DeltaType; readonly containsNull: boolean }

type DeltaField = {
  readonly name: string
  readonly type: DeltaType
  readonly nullable: boolean
  readonly metadata: Readonly<Record<string, never>>
}

const field = (name: string, type: DeltaType, nullable: boolean): DeltaField => ({ name, type, nullable, metadata: {} })

const struct = (...fields: readonly (readonly [string, DeltaType])[]): DeltaType => ({
  type: 'struct',
  fields: fields.map(([name, type]) => field(name, type, true)),
})

const scalars: Record<Exclude<ScalarType, 'Decimal'>, DeltaType> = {
  String: 'string',
  Int32: 'integer',
  Int64: 'long',
  Double: 'double',
  Boolean: 'boolean',
  Date: 'date',
  Timestamp: 'timestamp',
  // A UUID of Parquet's own cannot be read by delta-rs, and Delta has no type for JSON.
  UUID: 'string',
  JSON: 'string',
  Bytes: 'binary',
  GeoPoint: struct(['lat', 'double'], ['lon', 'double']),
  Blob: struct(['sha256', 'string'], ['size', 'long'], ['type', 'string']),
}

function scalarType({ type, precision = 38, scale = 0 }: ValueType): DeltaType {
  return type === 'Decimal' ? `decimal(${precision},${scale})` : scalars[type]
}

function columnType(column: Column): DeltaType {
  if (column.type !== 'Array') return scalarType({ ...column, type: column.type })
  // Items are never null, but Parquet files that do not say so break the change feed of delta-rs when the schema does.
  return { type: 'array', elementType: scalarType(column.items ?? { type: 'String' }), containsNull: true }
}

/**
 * The `schemaString`: the columns in their order, then revision and commit time. Retired columns are absent, and so are not
 * read from the older files that still hold them.
 */
export function deltaSchema(schema: TableSchema): string {
  const fields = [
    ...schema.columns.map(column => field(column.name, columnType(column), !column.required)),
    field(revisionColumn, 'long', false),
    field(commitTimeColumn, 'timestamp', false),
  ]
  return JSON.stringify({ type: 'struct', fields })
}
