/** Reading a change log: whole batches, in order, every sequence following the last. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Consumer, JsMsg } from '@nats-io/jetstream'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import { type ChangeLog, type LogState, wholeState } from './log.ts'
import { batchPlaceOf, headOf, type LogBatch, type LogRecord } from './record.ts'

export type FollowOptions = {
  /** The last revision already applied; reading begins behind it. */
  readonly after: number
  readonly signal: AbortSignal
}

/** Bounds of what is on its way: the server cuts off a client that has 64 MiB waiting for it. */
const maxBufferedMessages = 4_000
const maxBufferedBytes = 4 * 1024 * 1024
const maxBackoffMillis = 5_000

/**
 * Follows the log until the signal is aborted (then it returns). Survives reconnects, restarts and deleted consumers.
 * @throws LOG_GAP when revisions are missing (reload from a snapshot), LOG_LOST, EPOCH_CHANGED, LOG_CORRUPT
 */
export async function* follow(log: ChangeLog, { after, signal }: FollowOptions): AsyncGenerator<LogBatch> {
  let applied = after
  for (let failures = 0; !signal.aborted; ) {
    try {
      for await (const batch of followOnce(log, applied, signal)) {
        failures = 0
        yield batch
        applied = batch.revision
      }
    } catch (error) {
      if (signal.aborted) return
      if (isBlastyError(error, 'LOG_GAP', 'LOG_LOST', 'EPOCH_CHANGED', 'LOG_CORRUPT')) throw error
    }
    const pause = Math.min(maxBackoffMillis, 50 * 2 ** failures++) * (0.5 + Math.random() / 2)
    await sleep(pause, undefined, { signal }).catch(() => {})
  }
}

async function* followOnce(log: ChangeLog, applied: number, signal: AbortSignal): AsyncGenerator<LogBatch> {
  const state = await wholeState(log)
  if (state.last < applied) {
    throw new BlastyError('LOG_LOST', {
      table: log.table,
      problem: `it ends at ${state.last}, ${applied} was read from it`,
    })
  }
  if (state.first > applied + 1) {
    throw new BlastyError('LOG_GAP', { table: log.table, from: applied, to: state.first })
  }
  const consumer: Consumer = await log.streams.client.consumers.get(log.stream, {
    deliver_policy: 'by_start_sequence',
    opt_start_seq: applied + 1,
  })
  const messages = await consumer.consume({ ...boundOf(state), abort_on_missing_resource: true })
  const stop = () => messages.stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    // Aborted while the consumer was made: nobody has heard of it, and no message need ever come.
    if (signal.aborted) return
    let expected = applied + 1
    let records: LogRecord[] = []
    let batch: string | undefined
    for await (const message of messages) {
      if (signal.aborted) return
      if (message.seq < expected) continue
      // What is missing was purged or erased, and the lake has what is left of it.
      if (message.seq > expected)
        throw new BlastyError('LOG_GAP', { table: log.table, from: expected - 1, to: message.seq })
      expected = message.seq + 1
      const place = batchPlaceOf(name => message.headers?.get(name))
      // A server that died while it stored a batch leaves the head of one. It was never acknowledged: nobody reads it.
      if (batch !== place?.batch || place?.sequence === 1) records = []
      batch = place?.batch
      records.push(recordOf(log, message))
      if (place?.last === false) continue
      // The nanoseconds as the plain number that the client also has are rounded, now and then across a microsecond.
      yield { revision: message.seq, commitTime: Number(message.timestampNanos / 1000n), records }
      records = []
    }
  } finally {
    signal.removeEventListener('abort', stop)
    messages.stop()
  }
}

/**
 * The bound that a log of such messages calls for. The client takes either, and with bytes asks for a hundred messages at a
 * time: right for large ones, half as fast for small ones.
 */
function boundOf({ first, last, bytes }: LogState): { max_bytes: number } | { max_messages: number } {
  const average = bytes / Math.max(1, last - first + 1)
  return average * maxBufferedMessages > maxBufferedBytes
    ? { max_bytes: maxBufferedBytes }
    : { max_messages: maxBufferedMessages }
}

function recordOf(log: ChangeLog, message: JsMsg): LogRecord {
  const corrupt = (problem: string) =>
    new BlastyError('LOG_CORRUPT', { table: log.table, revision: message.seq, problem })
  const head = headOf(name => message.headers?.get(name))
  if (typeof head === 'string') throw corrupt(head)
  const subject = log.subjects.parse(message.subject)
  if (subject === undefined) throw corrupt(`its subject is ${message.subject}`)
  return { ...head, revision: message.seq, key: subject.kind === 'row' ? subject.key : undefined, body: message.data }
}
