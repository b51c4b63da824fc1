/** A Table for one work, of which nothing is waited for when a signal ends the work: also where the object store does not answer. */

import type { Table } from './table.ts'

/** What of a Table is in its lake and log, and under which schemas. */
export type TableParts = Pick<Table, 'keyed' | 'lake' | 'log' | 'schemas'>

/**
 * The parts for as long as the signal is not aborted. Then requests to the lake end with BACKEND_UNAVAILABLE, and whoever waits for a
 * schema gets the signal's reason. A lease that was taken is not given back any more, and ends by itself.
 */
export function tableUntil({ keyed, lake, log, schemas }: TableParts, signal: AbortSignal): TableParts {
  return { keyed, log, schemas: schemas.until(signal), lake: { ...lake, objects: lake.objects.until(signal) } }
}

/** Does a work with such parts. @throws what it throws or, once the signal is aborted, its reason */
export async function workUntil<T>(
  table: TableParts,
  signal: AbortSignal,
  work: (parts: TableParts) => Promise<T>,
): Promise<T> {
  try {
    return await work(tableUntil(table, signal))
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}
