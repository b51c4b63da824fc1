/** The column types of a Table in the words of Delta and of DuckDB, and rows as SQL: written down anew, so that it can disagree. */
import type { Column, Json, Row, TableSchema, ValueType } from '../../engine/schema/schema.ts'

export type DeltaField = { readonly name: string; readonly type: unknown; readonly nullable?: boolean }

/** A struct of Delta's schema. */
export const struct = (fields: readonly DeltaField[]): Readonly<Record<string, unknown>> => ({
  type: 'struct',
  fields: fields.map(({ name, type, nullable = true }) => ({ name, type, nullable, metadata: {} })),
})

/** A column's type in Delta's schema. */
export function deltaType(column: Column): unknown {
  const { type, items } = column
  if (type !== 'Array') return scalarDeltaType({ ...column, type })
  if (items === undefined) throw new TypeError(`${column.name} has no items`)
  return { type: 'array', elementType: scalarDeltaType(items), containsNull: true }
}

function scalarDeltaType({ type, precision, scale }: ValueType): unknown {
  switch (type) {
    case 'String':
    case 'UUID':
    case 'JSON':
      return 'string'
    case 'Int32':
      return 'integer'
    case 'Int64':
      return 'long'
    case 'Decimal':
      return `decimal(${precision},${scale})`
    case 'Bytes':
      return 'binary'
    case 'GeoPoint':
      return struct(['lat', 'lon'].map(name => ({ name, type: 'double' })))
    case 'Blob':
      return struct([
        { name: 'sha256', type: 'string' },
        { name: 'size', type: 'long' },
        { name: 'type', type: 'string' },
      ])
    case 'Double':
    case 'Boolean':
    case 'Date':
    case 'Timestamp':
      return type.toLowerCase()
  }
}

/** Rows in canonical JSON as a query; `more` is further expressions of each row, such as `1::BIGINT AS _revision`. */
export function selectRows(
  schema: TableSchema,
  rows: readonly Row[],
  more: (row: Row, index: number) => string[],
): string {
  const selects = rows.map((row, index) => {
    const values = schema.columns.map(
      column => `${columnLiteral(column, row[column.name] ?? null)} AS "${column.name}"`,
    )
    return `SELECT ${[...values, ...more(row, index)].join(', ')}`
  })
  return selects.join(' UNION ALL ')
}

function columnLiteral(column: Column, value: Json): string {
  const { type, items } = column
  if (type !== 'Array') return literal({ ...column, type }, value)
  if (items === undefined) throw new TypeError(`${column.name} has no items`)
  const list = Array.isArray(value) ? `[${value.map(item => literal(items, item)).join(', ')}]` : 'NULL'
  return `CAST(${list} AS ${duckType(items)}[])`
}

function literal(type: ValueType, value: Json): string {
  if (value === null) return `CAST(NULL AS ${duckType(type)})`
  if (type.type === 'Bytes') return `from_base64(${quoted(value)})`
  if (type.type === 'JSON') return quoted(JSON.stringify(value))
  if (typeof value !== 'object') return `CAST(${quoted(value)} AS ${duckType(type)})`
  const fields = Object.entries(value).map(([name, field]) => `'${name}': ${quoted(field)}`)
  return `CAST({${fields.join(', ')}} AS ${duckType(type)})`
}

const quoted = (value: Json): string => (value === null ? 'NULL' : `'${String(value).replaceAll("'", "''")}'`)

function duckType({ type, precision, scale }: ValueType): string {
  switch (type) {
    case 'String':
    case 'UUID':
    case 'JSON':
      return 'VARCHAR'
    case 'Int32':
      return 'INTEGER'
    case 'Int64':
      return 'BIGINT'
    case 'Decimal':
      return `DECIMAL(${precision}, ${scale})`
    case 'Bytes':
      return 'BLOB'
    case 'Timestamp':
      return 'TIMESTAMPTZ'
    case 'GeoPoint':
      return 'STRUCT(lat DOUBLE, lon DOUBLE)'
    case 'Blob':
      return 'STRUCT(sha256 VARCHAR, size BIGINT, "type" VARCHAR)'
    case 'Double':
    case 'Boolean':
    case 'Date':
      return type.toUpperCase()
  }
}
