/**
 * How each column type lies in the Parquet files of the lake, and the way there and back between it and the canonical JSON of
 * a row (`engine/schema/schema.ts`). UUID and JSON are strings there, since not every engine knows them as types.
 */

import type { Column, ScalarType, TableSchema } from '../schema/schema.ts'
import { quoteIdentifier, quoteText } from '../sql/quote.ts'

type Scalar = { readonly type: ScalarType; readonly precision?: number; readonly scale?: number }

type Form = {
  /** Type that DuckDB reads from JSON. */
  readonly read: string
  /** Type that is stored, when it is another. */
  readonly stored?: string
  /** From what was read to what is stored, when they differ. */
  readonly store?: (value: string) => string
  /** From what is stored to its JSON text; never called with NULL. */
  readonly json: (value: string) => string
}

const quoted = (value: string) => `'"' || ${value}::VARCHAR || '"'`
const escaped = (value: string) => `to_json(${value})::VARCHAR`
const plain = (value: string) => `${value}::VARCHAR`
const number = (value: string) =>
  `CASE WHEN isnan(${value}) THEN '"NaN"' WHEN isinf(${value}) THEN if(${value} > 0, '"Infinity"', '"-Infinity"') ELSE ${value}::VARCHAR END`

const forms: Readonly<Record<Exclude<ScalarType, 'Decimal'>, Form>> = {
  String: { read: 'VARCHAR', json: escaped },
  Int32: { read: 'INTEGER', json: plain },
  Int64: { read: 'BIGINT', json: quoted },
  Double: { read: 'DOUBLE', json: number },
  Boolean: { read: 'BOOLEAN', json: plain },
  Date: { read: 'DATE', json: quoted },
  Timestamp: {
    read: 'TIMESTAMPTZ',
    json: value => `strftime(${value} AT TIME ZONE 'UTC', '"%Y-%m-%dT%H:%M:%S.%fZ"')`,
  },
  UUID: { read: 'VARCHAR', json: quoted },
  Bytes: {
    read: 'VARCHAR',
    stored: 'BLOB',
    store: value => `from_base64(${value})`,
    json: value => `'"' || to_base64(${value}) || '"'`,
  },
  JSON: { read: 'JSON', stored: 'VARCHAR', store: plain, json: plain },
  GeoPoint: {
    read: 'STRUCT(lat DOUBLE, lon DOUBLE)',
    json: value => `'{"lat":' || ${value}.lat::VARCHAR || ',"lon":' || ${value}.lon::VARCHAR || '}'`,
  },
  Blob: { read: 'STRUCT(sha256 VARCHAR, size BIGINT, "type" VARCHAR)', json: escaped },
}

/** Where there are no digits before the point, DuckDB writes no zero there either. */
const fraction = (value: string) => `'"' || replace(${value}::VARCHAR, '.', '0.') || '"'`

function formOf({ type, precision = 38, scale = 0 }: Scalar): Form {
  if (type !== 'Decimal') return forms[type]
  return { read: `DECIMAL(${precision}, ${scale})`, json: precision === scale ? fraction : quoted }
}

function scalarOf(column: Column): Scalar {
  return column.type === 'Array' ? (column.items ?? { type: 'String' }) : { ...column, type: column.type }
}

/** The type that DuckDB reads a column of a row's JSON as. */
export function readType(column: Column): string {
  const { read } = formOf(scalarOf(column))
  return column.type === 'Array' ? `${read}[]` : read
}

/** The type that a column is stored as, as DuckDB calls it. */
export function storedType(column: Column): string {
  const { read, stored = read } = formOf(scalarOf(column))
  return column.type === 'Array' ? `${stored}[]` : stored
}

/** The expression that turns what was read into what is stored. */
export function storedValue(column: Column): string {
  const { store } = formOf(scalarOf(column))
  const name = quoteIdentifier(column.name)
  if (store === undefined) return name
  return column.type === 'Array' ? `list_transform(${name}, lambda x: ${store('x')})` : store(name)
}

/**
 * The expression that builds a row's JSON from its stored columns. Null columns are left out. Parsed, the text equals the
 * canonical form; the digits of a Double may be written another way (`1.0` for `1`).
 */
export function rowJson(schema: TableSchema): string {
  const fields = schema.columns.map(column => {
    const name = quoteIdentifier(column.name)
    const { json } = formOf(scalarOf(column))
    const text =
      column.type === 'Array'
        ? `'[' || array_to_string(list_transform(${name}, lambda x: ${json('x')}), ',') || ']'`
        : json(name)
    return `CASE WHEN ${name} IS NULL THEN NULL ELSE ${quoteText(`${JSON.stringify(column.name)}:`)} || ${text} END`
  })
  return `'{' || concat_ws(',', ${fields.join(', ')}) || '}'`
}
