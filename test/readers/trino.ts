/** Trino as a reader of the lake: tables are registered in a schema of their own and unregistered in the end. */
import { type TrinoResult, trino } from '../../backends/trino/client.ts'
import { registerTable, type TableName, unregisterTable } from '../../backends/trino/tables.ts'
import type { TrinoType } from '../../backends/trino/types.ts'
import type { TrinoValue } from '../../backends/trino/values.ts'
import type { TrinoInfo } from '../../devstack/info.ts'
import { uniqueName } from '../../devstack/testing.ts'
import type { Json } from '../../engine/schema/schema.ts'
import { type LakeReader, type LakeRow, type LakeTable, uriOf } from './reader.ts'

export type TrinoReader = LakeReader & {
  /** Rows of a query in which `{t}` stands for the table. */
  query(table: LakeTable, sql: string): Promise<LakeRow[]>
  /** Columns of the table with their types as Trino writes them. */
  types(table: LakeTable): Promise<Record<string, string>>
}

/** A reader with a schema of its own; one question at a time. Questions throw the errors of Trino's client. */
export async function startTrinoReader({ server, catalog }: TrinoInfo): Promise<TrinoReader> {
  const schema = uniqueName('readers').replaceAll('-', '_')
  const client = trino({ server, user: 'readers', catalog, schema })
  const registered = new Map<string, TableName>()
  const nameOf = async (location: LakeTable): Promise<TableName> => {
    const uri = uriOf(location)
    const name = registered.get(uri) ?? { catalog, schema, table: `t${registered.size}` }
    if (registered.has(uri)) return name
    await registerTable(client, name, uri)
    registered.set(uri, name)
    return name
  }
  const query = async (location: LakeTable, sql: string): Promise<LakeRow[]> =>
    rowsOf(await client.query(sql.replaceAll('{t}', (await nameOf(location)).table)))
  return {
    name: 'Trino',
    timestamps: 'milliseconds',
    query,
    rows: (table, version) =>
      query(table, version === undefined ? 'SELECT * FROM {t}' : `SELECT * FROM {t} FOR VERSION AS OF ${version}`),
    changes: async (table, from, to) => {
      const since = from === 0 ? '' : `, since_version => ${from - 1}` // exclusive; absent = from the first
      const source = `TABLE(${catalog}.system.table_changes(schema_name => '${schema}', table_name => '{t}'${since}))`
      return await query(table, `SELECT * FROM ${source} WHERE _commit_version <= ${to}`)
    },
    types: async table => {
      const rows = await query(table, 'SHOW COLUMNS FROM {t}')
      return Object.fromEntries(rows.map(({ Column, Type }) => [String(Column), String(Type)]))
    },
    async [Symbol.asyncDispose]() {
      for (const name of registered.values()) await unregisterTable(client, name)
      await client.rows(`DROP SCHEMA IF EXISTS ${catalog}.${schema}`)
    },
  }
}

async function rowsOf({ columns, pages }: TrinoResult): Promise<LakeRow[]> {
  const rows: LakeRow[] = []
  for await (const page of pages) {
    for (const row of page) {
      rows.push(Object.fromEntries(columns.map(({ name, type }, index) => [name, lakeValue(type, row[index] ?? null)])))
    }
  }
  return rows
}

function lakeValue(type: TrinoType, value: TrinoValue): Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'bigint') {
    return type.kind === 'timestamp' ? timeText(value, type.zoned) : value.toString()
  }
  if (typeof value === 'number') {
    if (type.kind === 'date') return new Date(value * 86_400_000).toISOString().slice(0, -'T00:00:00.000Z'.length)
    return Number.isFinite(value) ? value : String(value)
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (Array.isArray(value) && type.kind === 'array') return value.map(item => lakeValue(type.element, item))
  const fieldTypes = new Map(type.kind === 'row' ? type.fields.map(field => [field.name, field.type]) : [])
  const typeOf = (name: string): TrinoType | undefined => (type.kind === 'map' ? type.value : fieldTypes.get(name))
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => {
      const itemType = typeOf(name)
      if (itemType === undefined) throw new TypeError(`a field without a type: ${name}`)
      return [name, lakeValue(itemType, item)]
    }),
  )
}

function timeText(micros: bigint, zoned: boolean): string {
  const second = micros >= 0n ? micros / 1_000_000n : (micros - 999_999n) / 1_000_000n
  const fraction = String(micros - second * 1_000_000n).padStart(6, '0')
  const text = new Date(Number(second) * 1_000).toISOString().slice(0, -'.000Z'.length)
  return `${text}.${fraction}${zoned ? 'Z' : ''}`
}
