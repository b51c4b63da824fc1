/** Live watching of a Table: from now, from a revision, or from a snapshot of its rows, without gap or duplicate. */

import { setImmediate } from 'node:timers/promises'
import type { StoredRow } from '../replica/change.ts'
import type { TableReplica } from '../replica/replica.ts'
import type { Table } from '../table.ts'
import { eventsOf, type RowEvent, type RowTest } from './event.ts'

export type WatchStart =
  | { readonly from: 'now' }
  | { readonly from: 'snapshot' }
  /** Changes behind `revision`, which is the end of a batch. */
  | { readonly from: 'revision'; readonly revision: number }

export type WatchMessage =
  /** Rows of the snapshot, in key order. */
  | { readonly kind: 'rows'; readonly rows: readonly StoredRow[] }
  /** Everything up to `revision` has been told. */
  | { readonly kind: 'ready'; readonly revision: number }
  /** Events of one batch. `revision` is set on the last part of the batch alone: there, one may resume. */
  | { readonly kind: 'events'; readonly events: readonly RowEvent[]; readonly revision: number | undefined }
  /** Nothing to tell up to `revision`. */
  | { readonly kind: 'progress'; readonly revision: number }

export type WatchOptions = {
  readonly start: WatchStart
  readonly test: RowTest
  readonly signal: AbortSignal
  /** Longest silence, in milliseconds. */
  readonly heartbeatMillis: number
}

const messageBytes = 512 * 1024
const rowsAtOnce = 2_000

/**
 * Follows a Table until the signal is aborted. The reader sets the pace: one that falls behind is served from the ring
 * on disk and costs no memory.
 * @throws REVISION_NOT_REACHED for a start beyond the log; what stopped the replica
 */
export async function* watch(
  table: Table,
  { start, test, signal, heartbeatMillis }: WatchOptions,
): AsyncGenerator<WatchMessage> {
  const replica = await table.reached(start.from === 'revision' ? start.revision : 0, 'rows', signal)
  let position: number
  if (start.from === 'snapshot') {
    position = yield* snapshotRows(table, replica, test, signal)
  } else {
    position = start.from === 'revision' ? start.revision : replica.revision
  }
  yield { kind: 'ready', revision: position }
  yield* events(table, replica, position, test, signal, heartbeatMillis)
}

async function* events(
  table: Table,
  replica: TableReplica,
  after: number,
  test: RowTest,
  signal: AbortSignal,
  heartbeatMillis: number,
): AsyncGenerator<WatchMessage> {
  const over = new AbortController()
  const batches = replica.source.changes(after, AbortSignal.any([signal, over.signal]))
  let position = after
  let told = performance.now()
  try {
    let next = batches.next()
    for (;;) {
      const result = await orSilence(next, told + heartbeatMillis - performance.now())
      if (signal.aborted) return
      if (result === 'silent') {
        yield { kind: 'progress', revision: position }
        told = performance.now()
        continue
      }
      if (result.done) return
      const batch = result.value
      const found = eventsOf(batch, table.schemas.codec, test)
      if (found.length > 0) {
        yield* parts(found, batch.revision)
        told = performance.now()
      }
      position = batch.revision
      next = batches.next()
    }
  } finally {
    // A generator returns only once its pending `next` is done.
    over.abort()
    await batches.return(undefined)
  }
}

/** What comes first: the batch, or the end of the time. A bare timer, since this runs once a batch and watcher. */
async function orSilence<T>(next: Promise<T>, millis: number): Promise<T | 'silent'> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<'silent'>(resolve => {
    timer = setTimeout(resolve, Math.max(1, millis), 'silent')
  })
  try {
    return await Promise.race([next, silence])
  } finally {
    clearTimeout(timer)
  }
}

function* parts(events: readonly RowEvent[], revision: number): Generator<WatchMessage> {
  let part: RowEvent[] = []
  let bytes = 0
  for (const event of events) {
    const size = (event.old?.body.length ?? 0) + (event.new?.body.length ?? 0)
    if (part.length > 0 && bytes + size > messageBytes) {
      yield { kind: 'events', events: part, revision: undefined }
      part = []
      bytes = 0
    }
    part.push(event)
    bytes += size
  }
  yield { kind: 'events', events: part, revision }
}

/** Tells the rows there are; returns the revision at which they were so. */
async function* snapshotRows(
  table: Table,
  replica: TableReplica,
  test: RowTest,
  signal: AbortSignal,
): AsyncGenerator<WatchMessage, number> {
  const codec = table.schemas.codec
  let page: StoredRow[] = []
  let bytes = 0
  const full = (row: StoredRow) => {
    page.push(row)
    bytes += row.body.length
    return bytes > messageBytes
  }
  const flush = (): WatchMessage => {
    const message = { kind: 'rows', rows: page } as const
    page = []
    bytes = 0
    return message
  }
  if (table.keyed) {
    const snapshot = replica.snapshot()
    let looked = 0
    try {
      for (const { row } of snapshot.rows()) {
        // A large Table of which few rows are wanted must not hold up all else that this process does.
        if (++looked % rowsAtOnce === 0) await setImmediate()
        if (signal.aborted) break
        if (test(row.row(codec)) && full(row)) yield flush()
      }
    } finally {
      snapshot.close()
    }
    if (page.length > 0) yield flush()
    return snapshot.revision
  }
  const { revision: until, expired } = replica
  for await (const batch of replica.source.changes(expired, signal, until)) {
    for (const { new: row } of batch.changes) {
      if (row !== undefined && test(row.row(codec)) && full(row)) yield flush()
    }
  }
  if (page.length > 0) yield flush()
  return until
}
