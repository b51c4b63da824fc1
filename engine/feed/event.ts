/** How a change looks to somebody who watches only rows that fulfil a test. */

import type { ChangeBatch, StoredRow } from '../replica/change.ts'
import type { RowCodec } from '../schema/rows.ts'
import type { Row } from '../schema/schema.ts'

/** True when a row fulfils the watcher's `where`; only TRUE counts, as in SQL. */
export type RowTest = (row: Row) => boolean

export type EventKind = 'ENTER' | 'UPDATE' | 'LEAVE'

export type RowEvent = {
  readonly kind: EventKind
  /** The change's own revision; that of the row after it, or of the batch for a delete. */
  readonly revision: number
  /** Microseconds since 1970. */
  readonly commitTime: number
  readonly old: StoredRow | undefined
  readonly new: StoredRow | undefined
}

/** The events of a batch for one test, in order; rows that fulfil it neither before nor after are left out. */
export function eventsOf(batch: ChangeBatch, codec: RowCodec, test: RowTest): RowEvent[] {
  const events: RowEvent[] = []
  for (const { old, new: next } of batch.changes) {
    const before = old !== undefined && test(old.row(codec))
    const after = next !== undefined && test(next.row(codec))
    if (!before && !after) continue
    const kind = after ? (before ? 'UPDATE' : 'ENTER') : 'LEAVE'
    events.push({ kind, revision: next?.revision ?? batch.revision, commitTime: batch.commitTime, old, new: next })
  }
  return events
}
