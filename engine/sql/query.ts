/** Running one guarded SELECT over the Tables of a namespace, as a stream of columns, within limits. */

import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import { BlastyError } from '../../base/errors.ts'
import { positionsTable, type SqlDatabase } from '../replica/sql-database.ts'
import { guardQuery } from './guard.ts'
import { partsOf } from './parts.ts'
import { type ColumnValues, columnValues, type ResultColumn, resultColumn } from './result.ts'

export type QueryPart =
  | { readonly kind: 'columns'; readonly columns: readonly ResultColumn[] }
  | { readonly kind: 'rows'; readonly count: number; readonly columns: readonly ColumnValues[] }
  /** The result is complete. `revisions` of the Tables read, by name. */
  | { readonly kind: 'end'; readonly rows: number; readonly revisions: ReadonlyMap<string, number> }

export type QueryParameters = readonly DuckDBValue[] | Readonly<Record<string, DuckDBValue>>

export type QueryOptions = {
  readonly database: () => Promise<SqlDatabase>
  /** Waits for a turn to run; what it returns ends the turn. */
  readonly admit: (signal: AbortSignal) => Promise<() => void>
  readonly sql: string
  readonly parameters: QueryParameters
  /** Names of the Tables that the caller may read. */
  readonly visible: ReadonlySet<string>
  /** Makes the columns of a Table as new as the caller needs them, before they are read. */
  readonly freshen: (table: string, signal: AbortSignal) => Promise<void>
  /** How long the statement may wait for its turn, run and be read, in milliseconds; longer is QUERY_LIMIT. */
  readonly timeoutMillis: number
  readonly signal: AbortSignal
}

/**
 * Guards, waits for freshness and for a turn, runs. All Tables are read at one moment.
 * @throws INVALID_SQL, TABLE_NOT_FOUND, UNSUPPORTED from the guard; QUERY_FAILED, QUERY_LIMIT; the signal's reason
 */
export async function* runQuery(options: QueryOptions): AsyncGenerator<QueryPart> {
  const { text, tables, parameters: wanted } = await guardQuery(options.sql, options.visible)
  const values = bound(options.parameters, wanted)
  const database = await options.database()
  await Promise.all(tables.map(table => options.freshen(table, options.signal)))
  const timeout = AbortSignal.timeout(options.timeoutMillis)
  const signal = AbortSignal.any([options.signal, timeout])
  try {
    yield* inTurn(database, await options.admit(signal), signal, connection => stream(connection, text, tables, values))
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason
    if (timeout.aborted)
      throw new BlastyError('QUERY_LIMIT', { limit: `${options.timeoutMillis / 1000} seconds` }, { cause: error })
    throw queryError(error)
  }
}

/**
 * Runs on a connection of its own. When the signal is aborted, connection and turn are given back at once, also while a client
 * that does not read holds up the rows.
 */
async function* inTurn(
  database: SqlDatabase,
  leave: () => void,
  signal: AbortSignal,
  run: (connection: DuckDBConnection) => AsyncGenerator<QueryPart>,
): AsyncGenerator<QueryPart> {
  const connection = await database.connect().catch(error => {
    leave()
    throw error
  })
  const parts = run(connection)
  let busy = false
  let ended = false
  const end = () => {
    if (ended) return
    ended = true
    connection.closeSync()
    leave()
  }
  const abort = () => {
    connection.interrupt()
    if (!busy) end()
  }
  signal.addEventListener('abort', abort, { once: true })
  try {
    for (;;) {
      signal.throwIfAborted()
      busy = true
      const part = await parts.next().finally(() => {
        busy = false
      })
      if (part.done) return
      if (part.value.kind === 'end') end()
      yield part.value
    }
  } finally {
    signal.removeEventListener('abort', abort)
    end()
  }
}

async function* stream(
  connection: DuckDBConnection,
  text: string,
  tables: readonly string[],
  values: QueryParameters,
): AsyncGenerator<QueryPart> {
  const positions = await connection.runAndReadAll(
    `BEGIN TRANSACTION READ ONLY; SELECT name, revision FROM ${positionsTable}`,
  )
  const known = new Map(positions.getRowsJS().map(([name, revision]) => [String(name), Number(revision)]))
  const result = await connection.stream(
    text,
    Array.isArray(values) ? [...values] : { ...(values as Record<string, DuckDBValue>) },
  )
  const names = result.columnNames()
  const columns = result.columnTypes().map((type, index) => resultColumn(names[index] ?? '', type))
  yield { kind: 'columns', columns }
  let rows = 0
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    const { rowCount: count } = chunk
    const part = chunk
    rows += count
    const whole = { count, columns: columns.map((column, index) => columnValues(part, index, column)) }
    for (const piece of partsOf(whole)) yield { kind: 'rows', ...piece }
  }
  await connection.run('COMMIT')
  yield { kind: 'end', rows, revisions: new Map(tables.map(table => [table, known.get(table) ?? 0])) }
}

/** Checks that just the parameters the statement names are given. */
function bound(given: QueryParameters, wanted: readonly string[]): QueryParameters {
  const names = Array.isArray(given) ? given.map((_, index) => String(index + 1)) : Object.keys(given)
  const missing = wanted.filter(name => !names.includes(name))
  const extra = names.filter(name => !wanted.includes(name))
  if (missing.length > 0)
    throw new BlastyError('INVALID_ARGUMENT', { field: 'parameters', problem: `no value for $${missing.join(', $')}` })
  if (extra.length > 0) {
    throw new BlastyError('INVALID_ARGUMENT', {
      field: 'parameters',
      problem: `the statement has no parameter $${extra.join(', $')}`,
    })
  }
  return given
}

function queryError(error: unknown): unknown {
  if (error instanceof BlastyError || !(error instanceof Error)) return error
  const [problem = ''] = error.message.split('\n')
  if (/^Out of Memory Error/.test(problem)) return new BlastyError('QUERY_LIMIT', { limit: 'memory' }, { cause: error })
  return new BlastyError('QUERY_FAILED', { problem }, { cause: error })
}
