/** Running one guarded SELECT over the Tables of a namespace, as a stream of columns, within limits. */

import { BIGINT, DOUBLE, type DuckDBResult, type DuckDBType, type DuckDBValue } from '@duckdb/node-api'
import { BlastyError } from '../../base/errors.ts'
import type { SqlDatabase, SqlReading } from '../replica/sql-database.ts'
import { type GuardedQuery, guardQuery } from './guard.ts'
import type { MemoryWatch } from './memory-watch.ts'
import { quoteIdentifier } from './quote.ts'
import type { ColumnValues, ResultColumn } from './result.ts'
import { resultWriter } from './result-writer.ts'
import { Turn } from './turn.ts'

export type QueryPart =
  | { readonly kind: 'columns'; readonly columns: readonly ResultColumn[] }
  | { readonly kind: 'rows'; readonly count: number; readonly columns: readonly ColumnValues[] }
  /** Bytes of the Arrow stream and the rows that end in them. */
  | { readonly kind: 'arrow'; readonly count: number; readonly bytes: Uint8Array }
  | QueryEnd

/** The result is complete, or `truncated` at `maxRows`. `revisions` of the Tables read, by name. */
export type QueryEnd = {
  readonly kind: 'end'
  readonly rows: number
  readonly truncated: boolean
  readonly revisions: ReadonlyMap<string, number>
}

export type QueryParameters = readonly DuckDBValue[] | Readonly<Record<string, DuckDBValue>>

/** A SELECT of what the caller may see of a Table, no more than the columns that are wanted (lower case; undefined: all). */
export type CallersView = (table: string, wanted: ReadonlySet<string> | undefined) => string

export type ResultFormat = 'columns' | 'arrow' | 'plan'

export type QueryOptions = {
  /** The instance that holds the Tables. */
  readonly database: (tables: readonly string[], signal: AbortSignal) => Promise<SqlDatabase>
  /** Waits for a turn to run; what it returns ends the turn. */
  readonly admit: (signal: AbortSignal) => Promise<() => void>
  readonly sql: string
  /** The same when it has been judged already. */
  readonly guarded?: GuardedQuery
  readonly parameters: QueryParameters
  /** `plan`: how the statement would run, as text. */
  readonly format: ResultFormat
  /** Rows sent at most. */
  readonly maxRows: number
  /** Names of the Tables that the caller may read. */
  readonly visible: ReadonlySet<string>
  /** Of which Tables the caller may see only a part. */
  readonly views?: ReadonlyMap<string, CallersView>
  /** Makes the columns of a Table as new as the caller needs them, before they are read. */
  readonly freshen: (table: string, signal: AbortSignal) => Promise<void>
  /** How long the statement may wait, for its Tables and its turn, run and be read, in milliseconds; longer is QUERY_LIMIT. */
  readonly timeoutMillis: number
  /** Told of a statement that runs, it ends those that take too much memory. */
  readonly memory: Pick<MemoryWatch, 'enter'>
  readonly signal: AbortSignal
}

/**
 * Guards, waits for freshness and for a turn, runs. All Tables are read at one moment.
 * @throws INVALID_SQL, TABLE_NOT_FOUND, UNSUPPORTED from the guard; QUERY_FAILED, QUERY_LIMIT; the signal's reason
 */
export async function* runQuery(options: QueryOptions): AsyncGenerator<QueryPart> {
  const guarded = options.guarded ?? (await guardQuery(options.sql, options.visible))
  const { text, tables, parameters: wanted, columns } = guarded
  const values = bound(options.parameters, wanted)
  const timeout = AbortSignal.timeout(options.timeoutMillis)
  const exhausted = new AbortController()
  const signal = AbortSignal.any([options.signal, timeout, exhausted.signal])
  let forget: (() => void) | undefined
  try {
    const database = await options.database(tables, signal)
    const generation = database.generation()
    await Promise.all(tables.map(table => options.freshen(table, signal)))
    const leave = await options.admit(signal)
    forget = options.memory.enter(() => exhausted.abort())
    const { format, maxRows } = options
    const views = [...(options.views ?? [])].map(([table, select]): View => ({ table, select: select(table, columns) }))
    const statement = { text, tables, values, format, maxRows, views }
    yield* inTurn(database, leave, signal, async function* (turn, reading) {
      // What was fresh in the file before may not be in this one yet.
      if (database.generation() !== generation)
        throw new BlastyError('TABLE_NOT_READY', { table: tables.join(', '), reason: 'its columns are loaded anew' })
      yield* stream(turn, reading, statement)
    })
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason
    if (timeout.aborted)
      throw new BlastyError('QUERY_LIMIT', { limit: `${options.timeoutMillis / 1000} seconds` }, { cause: error })
    if (exhausted.signal.aborted) throw new BlastyError('QUERY_LIMIT', { limit: 'memory' }, { cause: error })
    throw queryError(error, (options.views?.size ?? 0) > 0)
  } finally {
    forget?.()
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
  run: (turn: Turn, reading: SqlReading) => AsyncGenerator<QueryPart>,
): AsyncGenerator<QueryPart> {
  const reading = await database.read().catch(error => {
    leave()
    throw error
  })
  const turn = new Turn(reading.connection, leave)
  const end = () => turn.end()
  signal.addEventListener('abort', end, { once: true })
  try {
    signal.throwIfAborted()
    for await (const part of run(turn, reading)) {
      signal.throwIfAborted()
      if (part.kind === 'end') end()
      yield part
      signal.throwIfAborted()
    }
  } finally {
    signal.removeEventListener('abort', end)
    end()
  }
}

type View = { readonly table: string; readonly select: string }

type Statement = {
  readonly views: readonly View[]
  readonly text: string
  readonly tables: readonly string[]
  readonly values: QueryParameters
  readonly format: ResultFormat
  readonly maxRows: number
}

async function* stream(turn: Turn, reading: SqlReading, statement: Statement): AsyncGenerator<QueryPart> {
  const { text, tables, values, format, maxRows, views } = statement
  const revisions = new Map(tables.map(table => [table, reading.revisions.get(table) ?? 0]))
  for (const view of views) await show(turn, view)
  const result = await start(turn, format === 'plan' ? `EXPLAIN ${text}` : text, values)
  const writer = resultWriter(format, result.columnNames(), result.columnTypes())
  let chunk = await turn.run(() => result.fetchChunk())
  // With the first rows, so that both travel as one.
  yield* writer.begin
  let rows = 0
  let truncated = false
  while (chunk !== null && chunk.rowCount > 0 && !truncated) {
    truncated = rows + chunk.rowCount > maxRows
    const count = truncated ? maxRows - rows : chunk.rowCount
    // The next rows are fetched while these are sent.
    const next = truncated ? undefined : turn.run(() => result.fetchChunk())
    next?.catch(() => {}) // Told when these are sent.
    for (const part of writer.rows(chunk, count)) {
      rows += part.count
      yield part
    }
    chunk = (await next) ?? null
  }
  yield* writer.end
  yield { kind: 'end', rows, truncated, revisions }
}

/**
 * Puts what the caller may see of a Table before the Table itself, for this connection. It is made before anything of the statement runs:
 * a view would be planned as one with the statement, whose expressions could then meet rows that the caller may not see, and tell of them by
 * failing, by their plan or by its estimates.
 */
async function show({ connection, run }: Turn, { table, select }: View): Promise<void> {
  try {
    await run(() => connection.run(`CREATE TEMP TABLE ${quoteIdentifier(table)} AS ${select}`))
  } catch (error) {
    if (!(error instanceof Error) || !/^(Binder|Catalog) Error/.test(error.message)) throw error
    const problem = `table ${table} does not have the columns of the policy that lets you read it; try again if they are just being changed`
    throw new BlastyError('QUERY_FAILED', { problem }, { cause: error })
  }
}

async function start({ connection, run }: Turn, text: string, values: QueryParameters): Promise<DuckDBResult> {
  const given = boundValues(values)
  const prepared = await run(() => connection.prepare(text))
  try {
    prepared.bind(given.values, given.types)
    return await run(() => prepared.stream())
  } finally {
    prepared.destroySync()
  }
}

/** By name or number, with the types that requests name: what is inferred from a value would differ from one to the next. */
export function boundValues(given: QueryParameters) {
  const entries = Array.isArray(given) ? given.map((value, index) => [String(index + 1), value]) : Object.entries(given)
  const values: Record<string, DuckDBValue> = Object.fromEntries(entries)
  const types = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, wideType(value)]))
  return { values, types }
}

function wideType(value: DuckDBValue): DuckDBType | undefined {
  if (typeof value === 'bigint') return BIGINT
  return typeof value === 'number' ? DOUBLE : undefined
}

/** Checks that just the parameters the statement names are given. */
export function bound(given: QueryParameters, wanted: readonly string[]): QueryParameters {
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

/** Errors that tell of the statement, not of values. */
const aboutStatement = /^(Binder|Catalog|Parser|Not implemented) Error/

/** `withheld`: what an error says of values is not for the caller, of whose Tables a policy shows a part. */
function queryError(error: unknown, withheld: boolean): unknown {
  // DuckDB's are plain; a TypeError or the like is a fault of this program.
  if (!(error instanceof Error) || error.constructor !== Error) return error
  const [problem = ''] = error.message.split('\n')
  if (/^Out of Memory Error/.test(problem)) return new BlastyError('QUERY_LIMIT', { limit: 'memory' }, { cause: error })
  if (!withheld || aboutStatement.test(problem)) return new BlastyError('QUERY_FAILED', { problem }, { cause: error })
  const [kind = 'Error'] = problem.split(':')
  const told = `${kind}: on which value is not told, since a policy limits what you may read`
  return new BlastyError('QUERY_FAILED', { problem: told }, { cause: error })
}
