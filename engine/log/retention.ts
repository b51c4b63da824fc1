/** Purging what the lake holds from the log, once it has been there long enough or its room is needed. */

import { reason } from '../../backends/streams/connect.ts'
import { nextMessage } from '../../backends/streams/messages.ts'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import { raiseFloor } from './control.ts'
import type { ChangeLog } from './log.ts'
import { batchPlaceOf } from './record.ts'

/** How full a log may get before changes are purged sooner than they would be. */
const crowdedShare = 0.8
/** Seconds that a change stays in a crowded log: a retry with its mutation id must still find it. */
const crowdedSeconds = 600
/** Room that is made for the floor in a log that is full. */
const floorBytes = 64 * 1024

export type Retention = {
  readonly retentionSeconds: number
  /** Milliseconds since 1970. */
  readonly now: number
}

/**
 * Purges revisions up to `archived` that are old enough. The floor is declared before: whoever then expects a row to be absent
 * knows that the log cannot tell. Returns the revision up to which was purged; undefined when nothing was.
 * @throws BACKEND_UNAVAILABLE
 */
export async function purgeLog(
  log: ChangeLog,
  archived: number,
  { retentionSeconds, now }: Retention,
): Promise<number | undefined> {
  const { admin } = log.streams
  try {
    const { state, config } = await admin.streams.info(log.stream)
    const crowded = config.max_bytes > 0 && state.bytes > crowdedShare * config.max_bytes
    const seconds = crowded ? Math.min(crowdedSeconds, retentionSeconds) : retentionSeconds
    const last = Math.min(archived, state.last_seq)
    // The first sequence of a log that was never written is 0.
    const first = Math.max(1, state.first_seq)
    if (last < first) return undefined
    const old = await lastBefore(log, first, last, now - seconds * 1000)
    const upTo = old === undefined ? undefined : await beforeErasures(log, old)
    if (upTo === undefined || upTo < first) return undefined
    await declareFloor(log, upTo)
    await admin.streams.purge(log.stream, { seq: upTo + 1 })
    return upTo
  } catch (error) {
    if (isBlastyError(error, 'REVISION_CONFLICT')) return undefined // another archiver is about it
    if (isBlastyError(error)) throw error
    throw new BlastyError(
      'BACKEND_UNAVAILABLE',
      { backend: 'streams server', problem: reason(error) },
      { cause: error },
    )
  }
}

/** Raises the floor. A full log refuses that too; it is given just the room for it, until the purge has made some. */
export async function declareFloor(log: ChangeLog, revision: number): Promise<void> {
  try {
    await raiseFloor(log, revision)
  } catch (error) {
    if (!isBlastyError(error, 'LOG_FULL')) throw error
    const { streams } = log.streams.admin
    const { config } = await streams.info(log.stream)
    await streams.update(log.stream, { ...config, max_bytes: config.max_bytes + floorBytes })
    try {
      await raiseFloor(log, revision)
    } finally {
      await streams.update(log.stream, config)
    }
  }
}

/** The last revision from `first` to `last` that ends a batch and was stored before a moment; undefined when none was. */
async function lastBefore(log: ChangeLog, first: number, last: number, millis: number): Promise<number | undefined> {
  let low = first - 1
  let high = last
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    const message = await firstFrom(log, middle)
    if (message !== null && message.time.getTime() < millis) low = middle
    else high = middle - 1
  }
  if (low < first) return undefined
  // Whether a batch ends there tells the next record, since the one there may be erased.
  const next = await firstFrom(log, low + 1)
  const place = next === null ? undefined : batchPlaceOf(name => next.header?.get(name))
  const end = next === null || place === undefined ? low : Math.min(low, next.seq - place.sequence)
  return end < first ? undefined : end
}

/** The first record from a revision on that is not erased. */
const firstFrom = ({ streams, stream, subjects }: ChangeLog, revision: number) =>
  nextMessage(streams, stream, subjects.all, revision)

/** The revision up to which may be purged so that every erasure that is not done yet stays in the log: nothing else knows of it. */
async function beforeErasures(log: ChangeLog, upTo: number): Promise<number> {
  const pending = await firstErasure(log)
  return pending === undefined ? upTo : Math.min(upTo, pending - 1)
}

/** Where the batch of the first erasure begins that the log holds; undefined when there is none. */
async function firstErasure(log: ChangeLog): Promise<number | undefined> {
  const message = await nextMessage(log.streams, log.stream, log.subjects.erasures, 1)
  if (message === null) return undefined
  const place = batchPlaceOf(name => message.header?.get(name))
  return message.seq - (place?.sequence ?? 1) + 1
}
