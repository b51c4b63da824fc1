/** Queries as of a revision or a time, as requests ask for them. */

import { BlastyError } from '../../base/errors.ts'
import type { Lease, PastDatabases } from '../../engine/past/databases.ts'
import type { PastTable } from '../../engine/past/load.ts'
import type { SqlDatabase } from '../../engine/replica/sql-database.ts'
import type { Table } from '../../engine/table.ts'
import type { QueryRequest } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { revisionAt } from './token.ts'

/** Gives back an instance of Tables as they were when the query that uses it has ended. */
export class Leased implements Disposable {
  #lease: Lease | undefined

  hold(lease: Lease): SqlDatabase {
    this.#lease = lease
    return lease.database
  }

  [Symbol.dispose](): void {
    this.#lease?.release()
  }
}

export type AsOf = (table: Table, past: PastDatabases, signal: AbortSignal) => Promise<PastTable>

/**
 * At which revision a Table is wanted; undefined for the newest.
 * @throws INVALID_ARGUMENT; what it returns throws EPOCH_CHANGED, REVISION_NOT_REACHED and REVISION_EXPIRED too
 */
export function asOfOf({ asOf, minToken }: QueryRequest): AsOf | undefined {
  if (asOf.case === undefined) return undefined
  const field = asOf.case === 'asOfTime' ? 'as_of_time' : 'as_of_revision'
  if (minToken !== undefined)
    throw new BlastyError('INVALID_ARGUMENT', { field, problem: 'is not allowed beside min_token' })
  if (asOf.case === 'asOfTime') {
    const micros = Number(asOf.value.seconds * 1_000_000n) + Math.floor(asOf.value.nanos / 1000)
    if (!Number.isSafeInteger(micros)) throw new BlastyError('INVALID_ARGUMENT', { field, problem: 'is no time' })
    return async (table, past, signal) => ({ table, revision: await past.revisionAtTime(table, micros, signal) })
  }
  const { tables } = asOf.value
  return async table => {
    const position = tables.find(({ tableUid }) => tableUid === table.descriptor.uid)
    if (position !== undefined) return { table, revision: revisionAt(position, table) }
    throw new BlastyError('INVALID_ARGUMENT', { field, problem: `has no revision of ${table.log.table}` })
  }
}

/** What Tables are told that have no instance of their own here to be put into. */
export const notInTrino = (): BlastyError =>
  new BlastyError('UNSUPPORTED', {
    what: 'reading Tables whose query.engine is Trino as they were',
    instead: 'ask for their newest rows',
  })
