/** How each column type lies in DuckDB, and how it gets there from the canonical JSON of a row. */

import type { Column, ScalarType, TableSchema } from '../schema/schema.ts'
import { quoteIdentifier, quoteText } from '../sql/quote.ts'

const scalars: Record<Exclude<ScalarType, 'Decimal'>, string> = {
  String: 'VARCHAR',
  Int32: 'INTEGER',
  Int64: 'BIGINT',
  Double: 'DOUBLE',
  Boolean: 'BOOLEAN',
  Date: 'DATE',
  Timestamp: 'TIMESTAMPTZ',
  UUID: 'UUID',
  Bytes: 'BLOB',
  JSON: 'JSON',
  GeoPoint: 'STRUCT(lat DOUBLE, lon DOUBLE)',
  Blob: 'STRUCT(sha256 VARCHAR, size BIGINT, "type" VARCHAR)',
}

type Scalar = { readonly type: ScalarType; readonly precision?: number; readonly scale?: number }

function scalarType({ type, precision = 38, scale = 0 }: Scalar): string {
  return type === 'Decimal' ? `DECIMAL(${precision}, ${scale})` : scalars[type]
}

function scalarOf(column: Column): Scalar {
  return column.type === 'Array' ? (column.items ?? { type: 'String' }) : { ...column, type: column.type }
}

/** The DuckDB type of a column. */
export function sqlType(column: Column): string {
  const type = scalarType(scalarOf(column))
  return column.type === 'Array' ? `${type}[]` : type
}

/** The column's place in the structure that `from_json` reads: base64 stays text until `columnExpression` decodes it. */
function jsonStructure(column: Column): unknown {
  const scalar = scalarOf(column)
  const read =
    scalar.type === 'Bytes'
      ? 'VARCHAR'
      : scalar.type === 'GeoPoint'
        ? { lat: 'DOUBLE', lon: 'DOUBLE' }
        : scalar.type === 'Blob'
          ? { sha256: 'VARCHAR', size: 'BIGINT', type: 'VARCHAR' }
          : scalarType(scalar)
  return column.type === 'Array' ? [read] : read
}

function columnExpression(column: Column): string {
  const value = `d.${quoteIdentifier(column.name)}`
  if (scalarOf(column).type !== 'Bytes') return value
  return column.type === 'Array' ? `list_transform(${value}, lambda x: from_base64(x))` : `from_base64(${value})`
}

/** The name of a row's revision and of its commit time, hidden from no one and written by no one. */
export const revisionColumn = '_revision'
export const commitTimeColumn = '_commit_time'

/** `CREATE TABLE` of a Table's columns, then revision and commit time. */
export function createTable(name: string, schema: Pick<TableSchema, 'columns'>): string {
  const columns = schema.columns.map(column => `${quoteIdentifier(column.name)} ${sqlType(column)}`)
  return `CREATE TABLE ${quoteIdentifier(name)} (${[...columns, `${revisionColumn} BIGINT`, `${commitTimeColumn} TIMESTAMPTZ`].join(', ')})`
}

/**
 * Moves staged rows into a Table. `staging` is the name of a table, or a table of literals, with columns r (revision), t (commit
 * time in µs) and v: one row as a JSON object or, when `many`, a JSON array of rows.
 */
export function insertStaged(name: string, schema: TableSchema, staging: string, many: boolean): string {
  const structure = JSON.stringify(
    Object.fromEntries(schema.columns.map(column => [column.name, jsonStructure(column)])),
  )
  const parsed = many ? `unnest(from_json(v, ${quoteText(`[${structure}]`)}))` : `from_json(v, ${quoteText(structure)})`
  const columns = [...schema.columns.map(column => quoteIdentifier(column.name)), revisionColumn, commitTimeColumn]
  const values = [...schema.columns.map(columnExpression), 'r', 'make_timestamptz(t)']
  return `INSERT INTO ${quoteIdentifier(name)} (${columns.join(', ')}) SELECT ${values.join(', ')} FROM (SELECT r, t, ${parsed} AS d FROM ${staging})`
}
