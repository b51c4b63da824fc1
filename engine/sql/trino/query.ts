/** Running one guarded SELECT in Trino, over lakes pinned at one version each, within limits. */

import type { Trino } from '../../../backends/trino/client.ts'
import { trinoErrorName } from '../../../backends/trino/errors.ts'
import { BlastyError } from '../../../base/errors.ts'
import { Admission } from '../admission.ts'
import type { GuardedQuery } from '../guard.ts'
import { parseSql } from '../parser.ts'
import { partsOf } from '../parts.ts'
import { bound, boundValues, type QueryParameters, type QueryPart, type ResultFormat } from '../query.ts'
import { resultColumn } from '../result.ts'
import { bindInDuckDB, checkTypes } from './bind.ts'
import { columnsOf } from './result.ts'
import type { LakeTable } from './scope.ts'
import { translate } from './translate.ts'
import { untranslated } from './types.ts'

/** A Table at the version of its lake that is read, and the revision that this version holds. */
export type PinnedTable = LakeTable & { readonly revision: number }

export type TrinoQueryOptions = {
  readonly query: GuardedQuery
  readonly client: Trino
  readonly parameters: QueryParameters
  readonly format: ResultFormat
  /** Rows sent at most. */
  readonly maxRows: number
  /** Waits until the Table's lake holds what the caller needs. */
  readonly pin: (table: string, signal: AbortSignal) => Promise<PinnedTable>
  /** Waits for a turn to run; what it returns ends the turn. */
  readonly admit: (signal: AbortSignal) => Promise<() => void>
  /** How long the statement may wait for its turn, run and be read, in milliseconds; longer is QUERY_LIMIT. */
  readonly timeoutMillis: number
  readonly signal: AbortSignal
}

/**
 * Each Table is read at one version; versions of different Tables are of about the same time.
 * @throws UNSUPPORTED for what is not translated; QUERY_FAILED, QUERY_LIMIT, TABLE_NOT_READY, BACKEND_UNAVAILABLE; the signal's reason
 */
export async function* runInTrino(options: TrinoQueryOptions): AsyncGenerator<QueryPart> {
  const { query, client, format, maxRows, timeoutMillis } = options
  if (format === 'arrow') untranslated('an Arrow stream', 'ask for columns')
  const parameters = bound(options.parameters, query.parameters)
  const parsed = await parseSql(query.text)
  const [statement] = parsed.ok ? parsed.statements : []
  if (statement === undefined) throw new BlastyError('INTERNAL', { id: 'sql-trino-parse' })
  const pinned = await Promise.all(
    query.tables.map(async table => [table, await options.pin(table, options.signal)] as const),
  )
  const tables = new Map(pinned)
  const { text, types } = translate(statement, tables, boundValues(parameters).values)
  const shape = await bindInDuckDB(query.text, parameters, tables)
  checkTypes(shape, types)
  const revisions = new Map(pinned.map(([table, { revision }]) => [table, revision]))
  const timeout = AbortSignal.timeout(timeoutMillis)
  const signal = AbortSignal.any([options.signal, timeout])
  let leave: (() => void) | undefined
  try {
    leave = await options.admit(signal)
    // Trino ends by itself what nobody comes to cancel.
    const session = { query_max_run_time: `${Math.ceil(timeoutMillis / 1000)}s` }
    const result = await client.query(format === 'plan' ? `EXPLAIN ${text}` : text, { signal, session })
    const explained = format === 'plan'
    const columns = explained
      ? [{ name: 'plan', type: 'String' as const }]
      : shape.types.map((type, index) => resultColumn(shape.names[index] ?? '', type))
    yield { kind: 'columns', columns }
    let rows = 0
    let truncated = false
    for await (const page of result.pages) {
      if (explained) {
        const values = page.flatMap(([plan]) => String(plan).trimEnd().split('\n'))
        yield { kind: 'rows', count: values.length, columns: [{ kind: 'strings', nulls: new Uint8Array(), values }] }
        rows += values.length
        continue
      }
      truncated = rows + page.length > maxRows
      const taken = truncated ? page.slice(0, maxRows - rows) : page
      for (const part of partsOf({ count: taken.length, columns: columnsOf(taken, columns, shape.types) })) {
        if (part.count > 0) yield { kind: 'rows', ...part }
      }
      rows += taken.length
      if (truncated) break
    }
    yield { kind: 'end', rows, truncated, revisions }
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason
    if (timeout.aborted)
      throw new BlastyError('QUERY_LIMIT', { limit: `${timeoutMillis / 1000} seconds` }, { cause: error })
    if (unknownNames.has(trinoErrorName(error))) {
      const reason = 'Trino does not know it; the operator tells it again within a minute'
      throw new BlastyError('TABLE_NOT_READY', { table: query.tables.join(', '), reason }, { cause: error })
    }
    throw error
  } finally {
    leave?.()
  }
}

const unknownNames: ReadonlySet<string | undefined> = new Set(['TABLE_NOT_FOUND', 'SCHEMA_NOT_FOUND'])

/** Statements of one namespace that this process has in Trino at once, and that wait for a turn. */
const turns = { running: 4, waiting: 64 } as const

/** Turns to run in Trino: its statements hold no thread of ours, so those of one namespace do not wait for another's. */
export class TrinoTurns {
  readonly #admissions = new Map<string, Admission>()

  /** Throws QUERY_LIMIT at once when too many of the namespace wait already; the signal's reason. */
  enter(namespace: string, signal: AbortSignal): Promise<() => void> {
    const known = this.#admissions.get(namespace) ?? new Admission(turns)
    this.#admissions.set(namespace, known)
    return known.enter(signal)
  }
}
