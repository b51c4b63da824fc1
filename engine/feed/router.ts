/**
 * Writes the events of a Table that fulfil a `where` into the stream of a durable Subscription, each exactly once.
 *
 * Events and the checkpoint they lead to are one atomic batch that expects the checkpoint it started from. So a router that
 * was killed goes on where it stopped, and of two routers one is refused and starts again from the other's checkpoint.
 */

import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { demandOn, orDemand } from '../../backends/streams/demand.ts'
import { maxBatchMessages, type OutgoingMessage, publish } from '../../backends/streams/publish.ts'
import { BlastyError } from '../../base/errors.ts'
import { readState } from '../lake/delta/state.ts'
import { archivedRevision } from '../lake/files.ts'
import type { StoredRow } from '../replica/change.ts'
import type { TableReplica } from '../replica/replica.ts'
import type { Row } from '../schema/schema.ts'
import type { Table } from '../table.ts'
import { eventsOf, type RowEvent, type RowTest } from './event.ts'
import {
  type Checkpoint,
  checkpointDemandSubject,
  checkpointSubject,
  eventSubject,
  type SubscriptionEvent,
} from './subscription-stream.ts'

export type RouterStart =
  | { readonly from: 'Now' }
  | { readonly from: 'Snapshot' }
  | { readonly from: 'Revision'; readonly revision: number }

export type RouterOptions = {
  readonly table: Table
  readonly stream: string
  readonly test: RowTest
  readonly start: RouterStart
  readonly signal: AbortSignal
  /** Told after each batch, and when the stream is full or away (the router goes on trying). */
  readonly onProgress: (checkpoint: Checkpoint, problem?: string) => void
}

/** Largest message the streams server takes, less its headers. */
const maxEventBytes = 1_000_000
const maxBatchBytes = 8 * 1024 * 1024
const publishTimeoutMillis = 5_000
const maxPauseMillis = 5_000
const rowsAtOnce = 2_000

type Position = { readonly checkpoint: Checkpoint; readonly sequence: number }
type Pending = { readonly messages: OutgoingMessage[]; bytes: number }

/** Thrown inside the loop when the stream holds a checkpoint that this router did not write. */
class Superseded extends Error {}

/** Routes until the signal is aborted. Throws EPOCH_CHANGED and what stopped the replica. */
export async function route(options: RouterOptions): Promise<void> {
  const { signal, onProgress } = options
  let position: Position | undefined
  for (let failures = 0; !signal.aborted; ) {
    try {
      const before = position?.sequence
      position = await start(options)
      // Having read where to go on is no progress; having written since then is.
      if (position.sequence !== before) failures = 0
      onProgress(position.checkpoint)
      await new Run(options, position).run()
      return
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof Superseded)) {
        if (!(error instanceof BlastyError) || error.entry.retryable === false) throw error
        if (position) onProgress(position.checkpoint, error.message)
      }
      // Also behind another router: two that hurry would only keep each other from writing.
      await sleep(Math.min(maxPauseMillis, 100 * 2 ** failures++), undefined, { signal }).catch(() => {})
    }
  }
}

/** Reads the checkpoint, or decides once where to start and writes that. */
async function start({ table, stream, start: from, signal }: RouterOptions): Promise<Position> {
  const { admin } = table.log.streams
  const message = await admin.streams.getMessage(stream, { last_by_subj: checkpointSubject(stream) }).catch(error => {
    throw new BlastyError(
      'BACKEND_UNAVAILABLE',
      { backend: 'streams server', problem: String(error) },
      { cause: error },
    )
  })
  if (message !== null) {
    const checkpoint = message.json<Checkpoint>()
    if (checkpoint.epoch === table.log.epoch) return { checkpoint, sequence: message.seq }
    if (checkpoint.epoch > table.log.epoch)
      throw new BlastyError('EPOCH_CHANGED', {
        table: table.log.table,
        actual: checkpoint.epoch,
        given: table.log.epoch,
      })
    const next = await acrossRepair(table, from, checkpoint, signal)
    return { checkpoint: next, sequence: await commit(options(table, stream), [], next, message.seq) }
  }
  const first = await beginning(table, from, signal)
  return { checkpoint: first, sequence: await commit(options(table, stream), [], first, 0) }
}

/**
 * Where to go on after a repair began another epoch. What the lake holds of the earlier one outlived it, so a checkpoint within
 * that goes on. One behind it told of changes that are lost: a snapshot is told anew; whoever had no snapshot goes on with the
 * new epoch.
 */
async function acrossRepair(
  table: Table,
  from: RouterStart,
  { epoch, revision, delivered, snapshotAfter }: Checkpoint,
  signal: AbortSignal,
): Promise<Checkpoint> {
  const state = await readState(table.lake)
  const kept = state === undefined ? 0 : archivedRevision(state, { log: { ...table.log, epoch } })
  if (revision <= kept) {
    const same = { epoch: table.log.epoch, revision, delivered }
    return snapshotAfter === undefined ? same : { ...same, snapshotAfter }
  }
  // Of a log of which nothing is kept, the rows are all that there was since.
  const anew = from.from === 'Snapshot' || kept === 0
  const start: RouterStart = anew ? { from: 'Snapshot' } : { from: 'Revision', revision: kept }
  return { ...(await beginning(table, start, signal)), delivered }
}

async function beginning(table: Table, from: RouterStart, signal: AbortSignal): Promise<Checkpoint> {
  const base = { epoch: table.log.epoch, delivered: 0 }
  const replica = await table.reached(0, 'rows', signal)
  if (from.from === 'Revision') return { ...base, revision: from.revision }
  if (from.from === 'Now') return { ...base, revision: replica.revision }
  return table.keyed ? { ...base, revision: 0, snapshotAfter: '' } : { ...base, revision: replica.expired }
}

const options = (table: Table, stream: string) => ({ connection: table.log.streams.connection, stream })

class Run {
  readonly #options: RouterOptions
  #position: Position

  constructor(options: RouterOptions, position: Position) {
    this.#options = options
    this.#position = position
  }

  async run(): Promise<void> {
    const { table, signal, start } = this.#options
    const revision = start.from === 'Revision' ? start.revision : 0
    const replica = await table.reached(Math.max(revision, this.#position.checkpoint.revision), 'rows', signal)
    if (this.#position.checkpoint.snapshotAfter !== undefined) await this.#snapshot(replica)
    await this.#follow(replica)
  }

  /**
   * Tells the rows behind the last key told, as they are now. What happened since to rows told before comes first, as
   * events; the rest of the rows have not been told, so their changes are in what is told now.
   */
  async #snapshot(replica: TableReplica): Promise<void> {
    const { table, test, signal } = this.#options
    const { snapshotAfter = '', revision } = this.#position.checkpoint
    const told = Buffer.from(snapshotAfter, 'base64')
    const snapshot = replica.snapshot()
    try {
      const codec = table.schemas.codec
      let pending = empty()
      let at = revision
      for await (const batch of told.length > 0 ? replica.source.changes(revision, signal, snapshot.revision) : []) {
        const before = { ...batch, changes: batch.changes.filter(({ key }) => Buffer.compare(key, told) <= 0) }
        const events = eventsOf(before, codec, test)
        if (events.length > 0) {
          pending = await this.#room(pending, events.length, { ...this.#position.checkpoint, revision: at })
          for (const event of events) this.#add(pending, event, batch.revision)
        }
        at = batch.revision
      }
      if (signal.aborted) return
      let last: Buffer = told
      let looked = 0
      for (const { key, row } of snapshot.rows(told.length > 0 ? told : undefined)) {
        // A large Table must not hold up all else that this process does.
        if (++looked % rowsAtOnce === 0) await setImmediate()
        if (signal.aborted) return
        if (test(row.row(codec))) {
          const { revision: rowRevision, commitTime } = row
          const done = {
            ...this.#position.checkpoint,
            revision: snapshot.revision,
            snapshotAfter: last.toString('base64'),
          }
          pending = await this.#room(pending, 1, done)
          this.#add(
            pending,
            { kind: 'ENTER', revision: rowRevision, commitTime, old: undefined, new: row },
            snapshot.revision,
          )
        }
        last = key
      }
      const { epoch, delivered } = this.#position.checkpoint
      await this.#commit(pending, { epoch, delivered, revision: snapshot.revision })
    } finally {
      snapshot.close()
    }
  }

  async #follow(replica: TableReplica): Promise<void> {
    const { table, test, signal } = this.#options
    const from = this.#position.checkpoint.revision
    let pending = empty()
    let quietSince = from
    const asked = demandOn(table.log.streams.connection, checkpointDemandSubject(this.#options.stream))
    const over = new AbortController()
    const batches = replica.source.changes(from, AbortSignal.any([signal, over.signal]))
    try {
      const read = () => {
        const result = batches.next()
        result.catch(() => {}) // Told when it is waited for.
        return result
      }
      let next = read()
      for (;;) {
        if (this.#position.checkpoint.revision < asked.revision && quietSince >= asked.revision) {
          await this.#commit(pending, { ...this.#position.checkpoint, revision: quietSince })
          pending = empty()
        }
        const result = await orDemand(next, asked)
        if (signal.aborted) return
        if (result === 'demand' || result === 'due') continue
        if (result.done) return
        const batch = result.value
        const events = eventsOf(batch, table.schemas.codec, test)
        if (events.length > 0) {
          pending = await this.#room(pending, events.length, { ...this.#position.checkpoint, revision: quietSince })
          for (const event of events) this.#add(pending, event, batch.revision)
        }
        quietSince = batch.revision
        const caughtUp = quietSince >= replica.revision
        const idle = quietSince - this.#position.checkpoint.revision >= idleRevisions
        if ((pending.messages.length > 0 && caughtUp) || idle) {
          await this.#commit(pending, { ...this.#position.checkpoint, revision: quietSince })
          pending = empty()
        } else if (caughtUp) {
          this.#options.onProgress({ ...this.#position.checkpoint, revision: quietSince })
        }
        next = read()
      }
    } finally {
      // A generator returns only once its pending `next` is done.
      over.abort()
      asked.close()
      await batches.return(undefined)
    }
  }

  /** Commits what is pending when `count` more messages and the checkpoint would not fit beside it. */
  async #room(pending: Pending, count: number, reached: Checkpoint): Promise<Pending> {
    if (pending.messages.length + count < maxBatchMessages && pending.bytes < maxBatchBytes) return pending
    await this.#commit(pending, reached)
    return empty()
  }

  #add(pending: Pending, event: RowEvent, sourceRevision: number): void {
    const { table, stream } = this.#options
    const data = encode(event, row => row.row(table.schemas.codec), {
      epoch: table.log.epoch,
      revision: sourceRevision,
    })
    pending.messages.push({ subject: eventSubject(stream), data })
    pending.bytes += data.length
  }

  async #commit(pending: Pending, reached: Checkpoint): Promise<void> {
    const checkpoint = { ...reached, delivered: this.#position.checkpoint.delivered + pending.messages.length }
    const sequence = await commit(
      options(this.#options.table, this.#options.stream),
      pending.messages,
      checkpoint,
      this.#position.sequence,
    )
    this.#position = { checkpoint, sequence }
    this.#options.onProgress(checkpoint)
  }
}

/** How many revisions without an event may pass before the checkpoint is moved all the same. */
const idleRevisions = 10_000

const empty = (): Pending => ({ messages: [], bytes: 0 })

function encode(event: RowEvent, rowOf: (row: StoredRow) => Row, source: SubscriptionEvent['source']): Buffer {
  const { kind, revision, commitTime, old, new: next } = event
  const base = { kind, revision, commitTime, source, ...(next === undefined ? {} : { new: rowOf(next) }) }
  if (old === undefined) return Buffer.from(JSON.stringify(base satisfies SubscriptionEvent))
  const whole = Buffer.from(JSON.stringify({ ...base, old: rowOf(old) } satisfies SubscriptionEvent))
  if (whole.length <= maxEventBytes || next === undefined) return whole
  return Buffer.from(JSON.stringify({ ...base, oldOmitted: true } satisfies SubscriptionEvent))
}

async function commit(
  { connection, stream }: { connection: Parameters<typeof publish>[0]; stream: string },
  messages: readonly OutgoingMessage[],
  checkpoint: Checkpoint,
  expect: number,
): Promise<number> {
  const subject = checkpointSubject(stream)
  const data = Buffer.from(JSON.stringify(checkpoint))
  const outcome = await publish(
    connection,
    [...messages, { subject, data, expect, rollup: true }],
    publishTimeoutMillis,
  )
  switch (outcome.kind) {
    case 'stored':
      return outcome.seq
    // After silence nobody knows: whoever wrote the checkpoint that is there now, it is the one to go on from.
    case 'unknown':
    case 'conflict':
      throw new Superseded()
    case 'full':
      throw new BlastyError('LOG_FULL', { table: `subscription stream ${stream}` })
    case 'absent':
    case 'busy':
      throw new BlastyError('BACKEND_UNAVAILABLE', { backend: 'streams server', problem: outcome.kind })
    case 'refused':
      throw new BlastyError('BACKEND_REFUSED', { backend: 'streams server', problem: outcome.description })
  }
}
