/** Which Delta tables Trino knows: registered by their place in the object store, which it does not own. */

import { isBlastyError } from '../../base/errors.ts'
import type { Trino } from './client.ts'
import { refused, trinoErrorName } from './errors.ts'

export type TableName = { readonly catalog: string; readonly schema: string; readonly table: string }

/**
 * Makes a Delta table known by a name; its schema is made where it is missing. The same place again is fine. The catalogue must have
 * `delta.register-table-procedure.enabled`.
 * @throws QUERY_FAILED where there is no Delta table, BACKEND_REFUSED when the name stands for another place
 */
export async function registerTable(trino: Trino, name: TableName, location: string): Promise<void> {
  await trino.rows(`CREATE SCHEMA IF NOT EXISTS ${identifier(name.catalog)}.${identifier(name.schema)}`)
  try {
    await trino.rows(`CALL ${identifier(name.catalog)}.system.register_table(
      schema_name => ${literal(name.schema)}, table_name => ${literal(name.table)}, table_location => ${literal(location)})`)
  } catch (error) {
    if (trinoErrorName(error) !== 'ALREADY_EXISTS') throw error
    const known = await tableLocation(trino, name)
    if (known === location) return
    throw refused(`${name.schema}.${name.table} is registered for ${known ?? 'another place'}, not ${location}`, error)
  }
}

/** Makes Trino forget a table; its files stay. One that it does not know is fine. */
export async function unregisterTable(trino: Trino, { catalog, schema, table }: TableName): Promise<void> {
  try {
    await trino.rows(
      `CALL ${identifier(catalog)}.system.unregister_table(schema_name => ${literal(schema)}, table_name => ${literal(table)})`,
    )
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

/** Where a table that Trino knows lies, such as `s3://bucket/lake`; undefined when it knows none. */
export async function tableLocation(trino: Trino, name: TableName): Promise<string | undefined> {
  try {
    const [[statement] = []] = await trino.rows(`SHOW CREATE TABLE ${qualified(name)}`)
    const [, quoted] = /^ *location = '((?:[^']|'')*)'/m.exec(String(statement)) ?? []
    return quoted?.replaceAll("''", "'")
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** A name as a query writes it, whatever its characters are. Trino folds the case of names, quoted or not. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** A text as a query writes it. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** A table's whole name as a query writes it. */
export const qualified = ({ catalog, schema, table }: TableName): string =>
  [catalog, schema, table].map(identifier).join('.')

const missingNames: ReadonlySet<string | undefined> = new Set(['NOT_FOUND', 'TABLE_NOT_FOUND', 'SCHEMA_NOT_FOUND'])

const isMissing = (error: unknown): boolean =>
  isBlastyError(error, 'QUERY_FAILED') && missingNames.has(trinoErrorName(error))
