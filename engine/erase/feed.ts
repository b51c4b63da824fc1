/** Forgetting in the stream of a durable Subscription: events that hold a row of the keys, before or after its change. */

import type { Streams } from '../../backends/streams/connect.ts'
import { demand } from '../../backends/streams/demand.ts'
import { eraseMessages, nextMessage } from '../../backends/streams/messages.ts'
import {
  type Checkpoint,
  checkpointDemandSubject,
  checkpointSubject,
  eventSubject,
  type SubscriptionEvent,
} from '../feed/subscription-stream.ts'
import type { Row } from '../schema/schema.ts'
import type { Table } from '../table.ts'
import type { Targets } from './targets.ts'

/**
 * Whether everything up to a revision is in the stream, by its own checkpoint; if not, its router is asked to say so when it is. Without
 * a checkpoint no router has begun.
 */
export async function routerReached(
  streams: Streams,
  stream: string,
  epoch: number,
  revision: number,
): Promise<boolean> {
  const message = await nextMessage(streams, stream, checkpointSubject(stream), 1)
  if (message === null) return false
  const checkpoint = message.json<Checkpoint>()
  const told = checkpoint.epoch === epoch && checkpoint.snapshotAfter === undefined && checkpoint.revision >= revision
  if (!told) demand(streams.connection, checkpointDemandSubject(stream), revision)
  return told
}

/** Erases the events; the router must have passed the last revision of the targets. Returns how many there were. Throws BACKEND_UNAVAILABLE. */
export async function eraseFromFeed(
  { log, schemas }: Pick<Table, 'log' | 'schemas'>,
  stream: string,
  targets: Targets,
  signal: AbortSignal,
): Promise<number> {
  const { streams } = log
  let erased = 0
  for (let from = 1; ; ) {
    signal.throwIfAborted()
    const message = await nextMessage(streams, stream, eventSubject(stream), from)
    if (message === null) return erased
    from = message.seq + 1
    const { source, ...event } = message.json<SubscriptionEvent>()
    const row = event.new ?? event.old
    if (!isRow(row) || !targets.covers(schemas.encodeKey(row), source.revision)) continue
    await eraseMessages(streams, stream, [message.seq])
    erased++
  }
}

const isRow = (value: SubscriptionEvent['new']): value is Row =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
