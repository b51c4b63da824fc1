/** What the embedded engine would answer with: DuckDB runs the statement on empty tables, and tells names and types of the result. */

import { DuckDBInstance, type DuckDBType } from '@duckdb/node-api'
import { BlastyError } from '../../../base/errors.ts'
import { createTable } from '../../replica/sql-types.ts'
import { lockdownStatements } from '../lockdown.ts'
import { createMacros } from '../macros.ts'
import { boundValues, type QueryParameters } from '../query.ts'
import { resultColumn } from '../result.ts'
import type { LakeTable } from './scope.ts'
import { type SqlType, trinoType, untranslated } from './types.ts'

export type ResultShape = { readonly names: readonly string[]; readonly types: readonly DuckDBType[] }

/** Only what was translated is bound: nothing of it makes rows from nothing. Throws QUERY_FAILED with what is wrong with the statement. */
export async function bindInDuckDB(
  text: string,
  parameters: QueryParameters,
  tables: ReadonlyMap<string, LakeTable>,
): Promise<ResultShape> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1', memory_limit: '256MB' })
  try {
    const connection = await instance.connect()
    for (const [name, { columns }] of tables) await connection.run(createTable(name, { columns }))
    // LIKE may have been made one of these by the guard.
    if (text.includes('_blasty_')) await connection.run(createMacros)
    for (const statement of lockdownStatements) await connection.run(statement)
    const { values, types } = boundValues(parameters)
    const result = await connection.stream(text, values, types)
    return { names: result.columnNames(), types: result.columnTypes() }
  } catch (error) {
    if (!(error instanceof Error) || error.constructor !== Error) throw error
    throw new BlastyError('QUERY_FAILED', { problem: error.message.split('\n')[0] ?? '' }, { cause: error })
  } finally {
    instance.closeSync()
  }
}

/** Throws UNSUPPORTED where a column would not be of the type that the embedded engine gives it. */
export function checkTypes(shape: ResultShape, types: readonly SqlType[]): void {
  if (shape.types.length !== types.length) untranslated('this SELECT list')
  for (const [index, type] of types.entries()) {
    const embedded = shape.types[index]
    if (embedded === undefined) continue // there are as many
    const column = resultColumn('', embedded)
    const name = column.type === 'Decimal' ? `decimal(${column.precision}, ${column.scale})` : column.type
    if (name !== resultName(type)) {
      untranslated(`a result of type ${name} (${shape.names[index]})`, `cast it; here it would be ${resultName(type)}`)
    }
  }
}

function resultName(type: SqlType): string {
  switch (type.kind) {
    case 'Decimal':
    case 'Huge':
      return trinoType(type)
    case 'GeoPoint':
    case 'Blob':
    case 'Array':
      return 'JSON'
    default:
      return type.kind
  }
}
