/** From what a client sends to a row in canonical form: every column checked, every problem named at once. */

import { BlastyError, type FieldViolation } from '../../base/errors.ts'
import { rowText } from './row-text.ts'
import type { Column, Json, Row, TableSchema } from './schema.ts'
import { type Normalise, normaliserOf, ValueProblem } from './values.ts'

const maxArrayItems = 10_000
const maxViolations = 20

type Field = { readonly name: string; readonly nullable: boolean; readonly normalise: Normalise }

/** Checks rows and keys of one schema. Compile once, use for every row. */
export type RowCodec = {
  readonly schema: TableSchema
  /**
   * A whole row; columns that are absent are null, and null columns are left out of the result.
   * @param place where the row stands in the request, such as `mutations[2]`
   * @throws BlastyError INVALID_ROW with a violation a column
   */
  readonly row: (value: unknown, place: string) => Row
  /** The key columns alone; other columns are refused. */
  readonly key: (value: unknown, place: string) => Row
  /** The first key columns, one or more; a later one without those before it is refused. */
  readonly keyPrefix: (value: unknown, place: string) => Row
  /** Parses the body of a log record, written under this or an earlier schema; retired columns are dropped, absent ones are null. */
  readonly decode: (body: Uint8Array) => Row
  /** The JSON text of what `decode` returns, mostly without decoding. */
  readonly text: (body: Uint8Array) => string
}

function fieldOf(column: Column, isKey: boolean): Field {
  const nullable = !column.required && !isKey
  if (column.type !== 'Array') {
    const { type, precision, scale } = column
    const value = { type, ...(precision === undefined ? {} : { precision }), ...(scale === undefined ? {} : { scale }) }
    return { name: column.name, nullable, normalise: normaliserOf(value) }
  }
  const item = normaliserOf(column.items ?? { type: 'String' })
  return {
    name: column.name,
    nullable,
    normalise: value => {
      if (!Array.isArray(value)) throw new ValueProblem('must be an array')
      if (value.length > maxArrayItems)
        throw new ValueProblem(`holds ${value.length} items; at most ${maxArrayItems} are allowed`)
      return value.map((entry: unknown): Json => {
        if (entry === null || entry === undefined) throw new ValueProblem('must not hold null items')
        return item(entry)
      })
    },
  }
}

/** Compiles the checks of a schema. `table` is named in messages, as `namespace/name`. */
export function rowCodec(schema: TableSchema, table: string): RowCodec {
  const keys = new Set(schema.primaryKey)
  const all = schema.columns.map(column => fieldOf(column, keys.has(column.name)))
  const byName = new Map(all.map(field => [field.name, field]))
  const keyFields = schema.primaryKey.map(name => {
    const field = byName.get(name)
    if (!field) throw new BlastyError('INTERNAL', { id: `schema-${schema.number}-key-${name}` })
    return field
  })

  const check = (value: unknown, place: string, fields: readonly Field[], known: ReadonlySet<string>): Row => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw invalid(table, place, [{ field: place, description: 'must be a JSON object' }])
    }
    const given = value as Record<string, unknown>
    const row: Record<string, Json> = {}
    const violations: FieldViolation[] = []
    let seen = 0
    for (const field of fields) {
      const raw = given[field.name]
      if (raw !== undefined) seen++
      if (raw === null || raw === undefined) {
        if (!field.nullable) violations.push({ field: `${place}.${field.name}`, description: 'is required' })
        continue
      }
      try {
        row[field.name] = field.normalise(raw)
      } catch (error) {
        if (!(error instanceof ValueProblem)) throw error
        violations.push({ field: `${place}.${field.name}`, description: error.message })
      }
    }
    if (seen !== Object.keys(given).length) {
      for (const name of Object.keys(given)) {
        if (!known.has(name) && given[name] !== undefined) {
          violations.push({
            field: `${place}.${name}`,
            description: known === keys ? 'is no key column' : 'is no column of the table',
          })
        }
      }
    }
    if (violations.length > 0) throw invalid(table, place, violations)
    return row
  }

  const names = new Set(byName.keys())
  const textOf = rowText(schema)
  const decode = (body: Uint8Array): Row => {
    const given = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()) as Record<
      string,
      Json
    >
    const row: Record<string, Json> = {}
    for (const field of all) row[field.name] = given[field.name] ?? null
    return row
  }
  return {
    schema,
    row: (value, place) => check(value, place, all, names),
    key: (value, place) => check(value, place, keyFields, keys),
    keyPrefix: (value, place) => {
      const given = typeof value === 'object' && value !== null ? Object.keys(value).length : 0
      return check(value, place, keyFields.slice(0, Math.max(1, given)), keys)
    },
    decode,
    text: body => textOf(body) ?? JSON.stringify(decode(body)),
  }
}

function invalid(table: string, place: string, violations: readonly FieldViolation[]): BlastyError {
  const shown = violations.slice(0, maxViolations)
  const text = shown.map(({ field, description }) => `${field} ${description}`).join('; ')
  return new BlastyError('INVALID_ROW', { table, row: place, violations: text }, { violations: shown })
}
