/** The project's one SQL parser: DuckDB's own, in a locked in-memory instance that holds no tables. */

import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { BlastyError } from '../../base/errors.ts'
import { lockdownStatements } from './lockdown.ts'
import { isNode, nodesAt, parseTree, type TreeNode } from './tree.ts'

export type Parsed =
  | { readonly ok: true; readonly json: string; readonly statements: readonly TreeNode[] }
  /** `position`: 0-based, in characters, when the parser names one. */
  | { readonly ok: false; readonly problem: string; readonly position?: number }

/** A literal to be cast as DuckDB casts it: `text` to the first of the SQL types, the result to the next. Never a user's type names. */
export type Cast = { readonly text: string; readonly types: readonly string[] }

/** Statements that may wait for the one connection; past it callers are refused rather than queued. */
const maxWaiting = 1_000

let opening: Promise<DuckDBConnection> | undefined
let last: Promise<unknown> = Promise.resolve()
let waiting = 0

/** Parses `sql` into its statements. Only SELECT statements can be; every other kind is a problem. */
export async function parseSql(sql: string): Promise<Parsed> {
  const json = await evaluateText('SELECT json_serialize_sql($1::VARCHAR)', sql)
  const tree = readTree(json)
  if (typeof tree === 'string') return { ok: false, problem: tree }
  if (tree.error !== true) return { ok: true, json, statements: nodesAt(tree, 'statements') }
  const problem = typeof tree.error_message === 'string' ? tree.error_message : 'it cannot be parsed'
  const position = typeof tree.position === 'string' ? { position: Number(tree.position) } : {}
  return { ok: false, problem, ...position }
}

/** The SQL text of a tree that `parseSql` returned as JSON. */
export function unparseSql(json: string): Promise<string> {
  return evaluateText('SELECT json_deserialize_sql($1::JSON)', json)
}

/** The results of the casts as DuckDB writes them as text, `undefined` where a cast fails. */
export async function evaluateCasts(casts: readonly Cast[]): Promise<readonly (string | undefined)[]> {
  if (casts.length === 0) return []
  const columns = casts.map(({ types }, i) =>
    [...types, 'VARCHAR'].reduce((inner, type) => `TRY_CAST(${inner} AS ${type})`, `$${i + 1}::VARCHAR`),
  )
  const row = await evaluate(
    `SELECT ${columns.join(', ')}`,
    casts.map(cast => cast.text),
  )
  return casts.map((_, i) => {
    const value = row[i]
    return typeof value === 'string' ? value : undefined
  })
}

/** The tree, or what is wrong with it. */
function readTree(json: string): TreeNode | string {
  try {
    const tree = parseTree(json)
    return isNode(tree) ? tree : 'it cannot be parsed'
  } catch (error) {
    if (error instanceof SyntaxError) return 'a number is out of range' // written as Infinity, which JSON has not
    if (error instanceof RangeError) return 'it is nested too deeply'
    throw error
  }
}

async function evaluateText(sql: string, parameter: string): Promise<string> {
  const [value] = await evaluate(sql, [parameter])
  if (typeof value !== 'string') throw new BlastyError('INTERNAL', { id: 'sql-parser-result' })
  return value
}

/** The first row of a query over text parameters. One statement at a time runs on the connection. */
function evaluate(sql: string, parameters: readonly string[]): Promise<readonly unknown[]> {
  if (waiting >= maxWaiting)
    throw new BlastyError('QUERY_LIMIT', { limit: `${maxWaiting} statements waiting for the parser` })
  waiting += 1
  const run = last.then(async () => {
    try {
      const connection = await connected()
      const reader = await connection.runAndReadAll(sql, [...parameters])
      return reader.getRows()[0] ?? []
    } finally {
      waiting -= 1
    }
  })
  last = run.catch(() => undefined) // the caller gets the error; the next statement only waits its turn
  return run
}

/** The connection, opened once; a failure to open is tried again by the next caller. */
function connected(): Promise<DuckDBConnection> {
  opening ??= open().catch((error: unknown) => {
    opening = undefined
    throw error
  })
  return opening
}

async function open(): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1', memory_limit: '512MB' })
  const connection = await instance.connect()
  for (const statement of lockdownStatements) await connection.run(statement)
  return connection
}
