/** CSV and Parquet files, read and written by DuckDB, which knows both well. */

import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { quoteIdentifier, quoteText } from '../../engine/sql/quote.ts'
import type { Column } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import { ColumnType } from '../../proto/gen/blasty/v1/common_pb.js'
import { UsageError } from './failure.ts'
import type { TableInfo } from './schema.ts'

export type TableFormat = 'csv' | 'parquet'

/** A file opened for its rows. */
export type TableFile = {
  readonly count: number
  /** Rows as JSON texts in the order of the file, as a Table with these columns takes them. */
  readonly rows: () => AsyncGenerator<string>
  readonly close: () => void
}

/** Opens a file. Throws UsageError when a column of it is none of the Table's. */
export async function openTableFile(path: string, format: TableFormat, { columns }: TableInfo): Promise<TableFile> {
  const { connection, close } = await database()
  // What a quoted empty field means is known: nothing is guessed but the separator.
  const options = format === 'csv' ? ', all_varchar = true, header = true, allow_quoted_nulls = false' : ''
  const source = `read_${format}(${quoteText(path)}${options})`
  try {
    const found = (await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${source}`)).getRowObjectsJS()
    const parts = found.map(({ column_name: name, column_type: type }) => {
      const column = columns.find(one => one.name === name)
      if (column === undefined) throw new UsageError(`${path}: column ${name} is none of the table's`)
      return `${quoteText(column.name)}, ${jsonExpression(column, quoteIdentifier(column.name), String(type))}`
    })
    const [counted] = (await connection.runAndReadAll(`SELECT count(*) FROM ${source}`)).getRowsJS()
    const statement = `SELECT json_object(${parts.join(', ')})::VARCHAR FROM ${source}`
    return { count: Number(counted?.[0] ?? 0), rows: () => texts(connection, statement), close }
  } catch (error) {
    close()
    throw error
  }
}

/** Writes lines of rows as JSON, in a file, as Parquet. */
export async function writeParquet(lines: string, path: string, { columns }: TableInfo): Promise<void> {
  const { connection, close } = await database()
  try {
    const structure = columns.map(column => `${quoteText(column.name)}: ${quoteText(readType(column))}`).join(', ')
    const values = columns.map(column => {
      const name = quoteIdentifier(column.name)
      if (scalarOf(column) !== ColumnType.BYTES) return name
      const value =
        column.type === ColumnType.ARRAY ? `list_transform(${name}, lambda x: from_base64(x))` : `from_base64(${name})`
      return `${value} AS ${name}`
    })
    const reader = `read_json(${quoteText(lines)}, format = 'newline_delimited', columns = {${structure}}, maximum_object_size = 8388608)`
    await connection.run(`COPY (SELECT ${values.join(', ')} FROM ${reader}) TO ${quoteText(path)} (FORMAT parquet)`)
  } finally {
    close()
  }
}

async function database(): Promise<{ readonly connection: DuckDBConnection; readonly close: () => void }> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  return {
    connection,
    close: () => {
      connection.closeSync()
      instance.closeSync()
    },
  }
}

async function* texts(connection: DuckDBConnection, statement: string): AsyncGenerator<string> {
  const result = await connection.stream(statement)
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    yield* chunk.getColumnValues(0).map(String)
  }
}

/**
 * A value as JSON that the server can judge: nothing is rounded or cut to fit. Text that is no number, day or time goes as it is,
 * and is refused there with its place.
 */
function jsonExpression(column: Column, name: string, type: string): string {
  const text = `CAST(${name} AS VARCHAR)`
  const isText = type === 'VARCHAR'
  switch (column.type) {
    case ColumnType.INT32:
      return `CASE WHEN regexp_full_match(${text}, '-?\\d{1,18}') THEN to_json(CAST(${text} AS BIGINT)) ELSE to_json(${text}) END`
    case ColumnType.DOUBLE: {
      const value = `TRY_CAST(${name} AS DOUBLE)`
      const special = `CASE WHEN isnan(${value}) THEN 'NaN' WHEN ${value} > 0 THEN 'Infinity' ELSE '-Infinity' END`
      return `CASE WHEN ${value} IS NULL THEN to_json(${text}) WHEN isfinite(${value}) THEN to_json(${value}) ELSE to_json(${special}) END`
    }
    case ColumnType.BOOLEAN:
      return `CASE lower(${text}) WHEN 'true' THEN to_json(true) WHEN 'false' THEN to_json(false) ELSE to_json(${text}) END`
    case ColumnType.TIMESTAMP: {
      // A time without an offset counts as UTC.
      const utc = `strftime(TRY_CAST(${name} AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%fZ')`
      const offset = `regexp_matches(${text}, '\\dT.*(Z|[+-]\\d\\d:\\d\\d)$', 'i')`
      return isText ? `CASE WHEN ${offset} THEN ${text} ELSE coalesce(${utc}, ${text}) END` : utc
    }
    case ColumnType.BYTES:
      return type === 'BLOB' ? `base64(${name})` : text
    case ColumnType.JSON:
    case ColumnType.GEO_POINT:
    case ColumnType.BLOB:
      return isText ? `CAST(${name} AS JSON)` : `to_json(${name})`
    case ColumnType.ARRAY: {
      const exact = column.itemType === ColumnType.INT64 || column.itemType === ColumnType.DECIMAL
      return isText ? `CAST(${name} AS JSON)` : exact ? `to_json(CAST(${name} AS VARCHAR[]))` : `to_json(${name})`
    }
    default:
      return text
  }
}

const scalarOf = ({ type, itemType }: Column): ColumnType => (type === ColumnType.ARRAY ? itemType : type)

const readTypes: Readonly<Partial<Record<ColumnType, string>>> = {
  [ColumnType.INT32]: 'INTEGER',
  [ColumnType.INT64]: 'BIGINT',
  [ColumnType.DOUBLE]: 'DOUBLE',
  [ColumnType.BOOLEAN]: 'BOOLEAN',
  [ColumnType.DATE]: 'DATE',
  [ColumnType.TIMESTAMP]: 'TIMESTAMPTZ',
  [ColumnType.UUID]: 'UUID',
  [ColumnType.JSON]: 'JSON',
  [ColumnType.GEO_POINT]: 'STRUCT(lat DOUBLE, lon DOUBLE)',
  [ColumnType.BLOB]: 'STRUCT(sha256 VARCHAR, size BIGINT, "type" VARCHAR)',
}

/** The type as which a column is read from JSON; bytes are base64 there. */
function readType(column: Column): string {
  const scalar = scalarOf(column)
  const type =
    scalar === ColumnType.DECIMAL ? `DECIMAL(${column.precision}, ${column.scale})` : (readTypes[scalar] ?? 'VARCHAR')
  return column.type === ColumnType.ARRAY ? `${type}[]` : type
}
