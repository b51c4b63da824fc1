/** The guard: what a caller's SQL must be before any of it runs. */

import { BlastyError } from '../../base/errors.ts'
import { judge } from './judge.ts'
import { mentionedColumns } from './mentioned.ts'
import { parseSql } from './parser.ts'
import { regenerate } from './regenerate.ts'

/** Longest text of a query, in UTF-16 code units. */
export const maxQueryLength = 65_536

/** A query that may run. */
export type GuardedQuery = {
  /** The text to run, written anew from the tree that was judged. Parameters are `$1` … or `$name`. */
  readonly text: string
  /** Tables it reads, lower case, sorted. */
  readonly tables: readonly string[]
  /** Identifiers of its parameters without the `$`, sorted. */
  readonly parameters: readonly string[]
  /** What may be names of columns in it, lower case; undefined when it takes columns without naming them. */
  readonly columns: ReadonlySet<string> | undefined
}

/** Judgements of texts that came lately: the answer depends on nothing but the text and what the caller may see. */
const judged = new Map<string, GuardedQuery>()
const maxJudged = 1_000
/** Longer texts are seldom sent twice. */
const maxJudgedLength = 4_096

/**
 * Accepts exactly one SELECT over `visible` tables (lower-case names) with functions of the allow-list.
 * Throws `INVALID_SQL`, `TABLE_NOT_FOUND` (whether or not a table the caller may not see exists) or `UNSUPPORTED`.
 */
export async function guardQuery(sql: string, visible: ReadonlySet<string>): Promise<GuardedQuery> {
  if (sql.length > maxQueryLength) refuse(`the text is longer than ${maxQueryLength} characters`)
  if (sql.length > maxJudgedLength) return judgeQuery(sql, visible)
  const key = JSON.stringify([sql, [...visible].sort()])
  const query = judged.get(key) ?? (await judgeQuery(sql, visible))
  // Taken out and put back, so that the first one is the one not asked for the longest.
  judged.delete(key)
  judged.set(key, query)
  const [oldest] = judged.size > maxJudged ? judged.keys() : []
  if (oldest !== undefined) judged.delete(oldest)
  return query
}

async function judgeQuery(sql: string, visible: ReadonlySet<string>): Promise<GuardedQuery> {
  if (!sql.isWellFormed() || sql.includes('\0')) refuse('the text is not valid Unicode without NUL')
  const parsed = await parseSql(sql)
  if (!parsed.ok) return refuse(problemOf(parsed))
  const [statement, second] = parsed.statements
  if (statement === undefined || second !== undefined) return refuse('exactly one SELECT statement is expected')
  judge(statement, visible, sql)
  const { text, statement: written } = await regenerate(parsed.json)
  const { tables, parameters } = judge(written, visible, text)
  const columns = mentionedColumns(written)
  return { text, tables: [...tables].sort(), parameters: [...parameters].sort(), columns }
}

function problemOf({ problem, position }: { readonly problem: string; readonly position?: number }): string {
  if (problem.startsWith('Only SELECT statements')) return 'only a SELECT statement can be run'
  return position === undefined ? problem : `${problem}, at position ${position + 1}`
}

function refuse(problem: string): never {
  throw new BlastyError('INVALID_SQL', { problem })
}
