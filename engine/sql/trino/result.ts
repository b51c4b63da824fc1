/** Rows of Trino as the columns that the embedded engine would have made of them. */

import {
  blobValue,
  DuckDBDateValue,
  DuckDBDecimalType,
  DuckDBDecimalValue,
  DuckDBListType,
  DuckDBStructType,
  DuckDBTimestampTZValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
  listValue,
  structValue,
} from '@duckdb/node-api'
import type { TrinoRow } from '../../../backends/trino/client.ts'
import { refused } from '../../../backends/trino/errors.ts'
import type { TrinoValue } from '../../../backends/trino/values.ts'
import { type ColumnValues, columnValues, type ResultColumn } from '../result.ts'

/** One page of rows by column; `types` are those of the embedded engine. Throws BACKEND_REFUSED for a value that does not fit. */
export function columnsOf(
  rows: readonly TrinoRow[],
  columns: readonly ResultColumn[],
  types: readonly DuckDBType[],
): ColumnValues[] {
  return columns.map((column, index) => {
    const type = types[index]
    if (type === undefined) throw refused('fewer columns than were asked for')
    const values = rows.map(row => embedded(row[index] ?? null, type))
    return columnValues({ type, toArray: () => values }, column)
  })
}

/** The value as DuckDB's client has it. */
function embedded(value: TrinoValue, type: DuckDBType): DuckDBValue {
  if (value === null) return null
  switch (type.typeId) {
    case DuckDBTypeId.DATE:
      return typeof value === 'number' ? new DuckDBDateValue(value) : unfit(type)
    case DuckDBTypeId.TIMESTAMP:
    case DuckDBTypeId.TIMESTAMP_TZ:
      return typeof value === 'bigint' ? new DuckDBTimestampTZValue(value) : unfit(type)
    case DuckDBTypeId.DECIMAL:
      return typeof value === 'string' && type instanceof DuckDBDecimalType
        ? new DuckDBDecimalValue(BigInt(value.replace('.', '')), type.width, type.scale)
        : unfit(type)
    case DuckDBTypeId.BLOB:
      return value instanceof Uint8Array ? blobValue(value) : unfit(type)
    case DuckDBTypeId.LIST:
      return Array.isArray(value) && type instanceof DuckDBListType
        ? listValue(value.map(item => embedded(item, type.valueType)))
        : unfit(type)
    case DuckDBTypeId.STRUCT: {
      if (typeof value !== 'object' || Array.isArray(value) || value instanceof Uint8Array) return unfit(type)
      if (!(type instanceof DuckDBStructType)) return unfit(type)
      const fields = new Map(Object.entries(value))
      return structValue(
        Object.fromEntries(
          type.entryNames.map((name, index) => [
            name,
            embedded(fields.get(name) ?? null, type.entryTypes[index] ?? unfit(type)),
          ]),
        ),
      )
    }
    default:
      return typeof value === 'object' ? unfit(type) : value
  }
}

function unfit(type: DuckDBType): never {
  throw refused(`a value that is no ${type}`)
}
