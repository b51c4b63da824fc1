/**
 * Removing the rows of a keyed Table that are too old, by ordinary deletes. Each holds only if the row is still as it was seen: one that
 * was written meanwhile stays, and two that remove at once do no harm.
 */

import { setImmediate } from 'node:timers/promises'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import { type Floor, readFloor, retentionPrincipal } from '../log/control.ts'
import type { TableReplica } from '../replica/replica.ts'
import type { Table } from '../table.ts'

/** Which rows are too old: committed at `cutoff` or before (microseconds since 1970), with all rows of smaller revisions. */
export type Due = {
  /** Rows of this revision and later are not, whatever time they have. */
  readonly before: number
  readonly cutoff: number
}

export type RowsLook = {
  /** Undefined when no row is too old. */
  readonly due: Due | undefined
  /** When the oldest of the other rows was committed, in microseconds since 1970. */
  readonly oldest: number | undefined
}

type Seen = { readonly key: Buffer; readonly revision: number }
/** `floor`: as the replica knew it when the rows were seen. */
type Page = { readonly rows: readonly Seen[]; readonly floor: Floor | undefined }

/** Rows between two turns of the event loop. */
const rowsATurn = 2_000
const batchRows = 500
const writeMillis = 60_000

/**
 * Goes through all rows. A row may be of a time when the clock of the log's server was behind; but it is not older than one with a
 * smaller revision, and so no more due than that.
 */
export async function lookAtRows(
  replica: Pick<TableReplica, 'snapshot'>,
  cutoff: number,
  signal: AbortSignal,
): Promise<RowsLook> {
  let before = Number.POSITIVE_INFINITY
  let oldest = Number.POSITIVE_INFINITY
  let least = Number.POSITIVE_INFINITY
  let looked = 0
  const snapshot = replica.snapshot()
  try {
    for (const { row } of snapshot.rows()) {
      if (++looked % rowsATurn === 0) await setImmediate(undefined, { signal })
      if (row.commitTime <= cutoff) least = Math.min(least, row.revision)
      else {
        before = Math.min(before, row.revision)
        oldest = Math.min(oldest, row.commitTime)
      }
    }
  } finally {
    snapshot.close()
  }
  return {
    due: least < before ? { before, cutoff } : undefined,
    oldest: Number.isFinite(oldest) ? oldest : undefined,
  }
}

export type RemoveOptions = {
  readonly signal: AbortSignal
  /** Awaited before each batch: when the log has room for it. */
  readonly room: () => Promise<void>
  /** Told how many rows each batch removed. */
  readonly onRemoved: (rows: number) => void
}

/** Removes the rows that are due, batch by batch. Throws LOG_FULL, OUTCOME_UNKNOWN, BACKEND_UNAVAILABLE; repeated it does the rest. */
export async function removeRows(
  table: Table,
  replica: TableReplica,
  due: Due,
  { signal, room, onRemoved }: RemoveOptions,
): Promise<void> {
  for await (const page of pagesOf(table, replica, due, signal)) {
    await room()
    onRemoved(await removeUnchanged(table, replica, page, signal))
  }
}

/** Rows that are due, a page at a time, each from a look of its own: one over all of them would keep what is removed on disk. */
async function* pagesOf(
  { log }: Table,
  replica: TableReplica,
  { before, cutoff }: Due,
  signal: AbortSignal,
): AsyncGenerator<Page> {
  let after: Buffer | undefined
  for (let looked = 0; ; ) {
    const floor = await readFloor(log)
    if (floor !== undefined) await replica.reached(floor.at, signal)
    const page: Seen[] = []
    const snapshot = replica.snapshot()
    try {
      for (const { key, row } of snapshot.rows(after)) {
        if (++looked % rowsATurn === 0) await setImmediate(undefined, { signal })
        if (row.revision >= before || row.commitTime > cutoff) continue
        page.push({ key: Buffer.from(key), revision: row.revision })
        if (page.length === batchRows) break
      }
    } finally {
      snapshot.close()
    }
    if (page.length > 0) yield { rows: page, floor }
    if (page.length < batchRows) return
    after = page.at(-1)?.key
  }
}

/** Removes those of the rows that are as they were; returns how many. */
async function removeUnchanged(
  table: Table,
  replica: TableReplica,
  { rows, floor }: Page,
  signal: AbortSignal,
): Promise<number> {
  const { schemas, writer } = table
  for (let left = rows; left.length > 0; ) {
    const changes = left.map(({ key, revision }) => ({
      op: 'delete' as const,
      row: schemas.decodeKey(key),
      condition: { kind: 'revision' as const, revision },
    }))
    try {
      await writer.write(changes, {
        principal: retentionPrincipal,
        schema: schemas.current.number,
        ...(floor !== undefined && { floor }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(writeMillis)]),
      })
      return left.length
    } catch (error) {
      if (!isBlastyError(error, 'REVISION_CONFLICT')) throw error
      const changed = error.details.row
      if (typeof changed !== 'number')
        throw new BlastyError('INTERNAL', { id: 'conflict-without-row' }, { cause: error })
      left = left.filter(({ key, revision }, at) => at !== changed && replica.get(key)?.revision === revision)
    }
  }
  return 0
}
