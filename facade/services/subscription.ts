/** SubscriptionService: live watches of Tables, and durable Subscriptions shared by their clients. */

import { BlastyError } from '../../base/errors.ts'
import type { EventKind, RowEvent } from '../../engine/feed/event.ts'
import { type WatchMessage, type WatchStart, watch } from '../../engine/feed/watch.ts'
import type { Table } from '../../engine/table.ts'
import {
  EventKind as KindMessage,
  type SubscriptionService,
  type WatchRequest,
} from '../../proto/gen/blasty/v1/subscription_service_pb.js'
import type { CallContext, ServiceImplementation } from '../grpc/context.ts'
import { consume } from './consume.ts'
import { rowMessage } from './json.ts'
import type { Ref, Scope } from './scope.ts'
import { positionOf, revisionAt } from './token.ts'

const defaultHeartbeatSeconds = 15
const maxHeartbeatSeconds = 300

export function subscriptionService(scope: Scope): ServiceImplementation<typeof SubscriptionService> {
  return {
    watch: (request, context) => watchJson(scope, request, context),
    consume: (requests, context) => consume(scope, requests, context),
  }
}

export const eventKinds: Readonly<Record<EventKind, KindMessage>> = {
  ENTER: KindMessage.ENTER,
  UPDATE: KindMessage.UPDATE,
  LEAVE: KindMessage.LEAVE,
}

/** A commit time in microseconds as a protobuf Timestamp. */
export function timestampOf(micros: number): { readonly seconds: bigint; readonly nanos: number } {
  return { seconds: BigInt(Math.floor(micros / 1_000_000)), nanos: (micros % 1_000_000) * 1000 }
}

async function* watchJson(scope: Scope, request: WatchRequest, context: CallContext) {
  for await (const { table, message } of watchFor(scope, request.table, request, context)) {
    yield { message: watchMessage(table, message) }
  }
}

/**
 * Watches a Table for a caller; both the generic and the generated services are made of it.
 * @throws TABLE_NOT_FOUND, PERMISSION_DENIED, INVALID_PREDICATE, INVALID_ARGUMENT, EPOCH_CHANGED, REVISION_NOT_REACHED
 */
export async function* watchFor(
  scope: Scope,
  ref: Ref,
  request: Pick<WatchRequest, 'where' | 'start' | 'heartbeatSeconds'>,
  context: CallContext,
): AsyncGenerator<{ readonly table: Table; readonly message: WatchMessage }> {
  const served = scope.table(context.identity, ref, 'table', 'Subscribe')
  const { table } = served
  const { test } = await scope.filter(served, request.where)
  const seconds = request.heartbeatSeconds === 0 ? defaultHeartbeatSeconds : request.heartbeatSeconds
  if (seconds > maxHeartbeatSeconds) {
    throw new BlastyError('INVALID_ARGUMENT', {
      field: 'heartbeat_seconds',
      problem: `must be at most ${maxHeartbeatSeconds}`,
    })
  }
  const start = startOf(request.start, table)
  for await (const message of watch(table, { start, test, signal: context.signal, heartbeatMillis: seconds * 1000 })) {
    // A policy may have been withdrawn since; the check is a look at the cache.
    scope.table(context.identity, ref, 'table', 'Subscribe')
    yield { table, message }
  }
  context.signal.throwIfAborted()
}

function startOf(start: WatchRequest['start'], table: Table): WatchStart {
  switch (start.case) {
    case undefined:
    case 'now':
      return { from: 'now' }
    case 'snapshot':
      return { from: 'snapshot' }
    case 'after':
      return { from: 'revision', revision: revisionAt(start.value, table) }
  }
}

function watchMessage(table: Table, message: WatchMessage) {
  switch (message.kind) {
    case 'rows':
      return { case: 'rows' as const, value: { rows: message.rows.map(row => rowMessage(table, row)) } }
    case 'ready':
      return { case: 'ready' as const, value: { cursor: positionOf(table, message.revision) } }
    case 'progress':
      return { case: 'progress' as const, value: { cursor: positionOf(table, message.revision) } }
    case 'events': {
      const events = message.events.map(event => eventMessage(table, event))
      const cursor = message.revision === undefined ? {} : { cursor: positionOf(table, message.revision) }
      return { case: 'events' as const, value: { events, ...cursor } }
    }
  }
}

function eventMessage(table: Table, { kind, revision, commitTime, old, new: next }: RowEvent) {
  return {
    kind: eventKinds[kind],
    revision: BigInt(revision),
    commitTime: timestampOf(commitTime),
    ...(old === undefined ? {} : { oldRowJson: rowMessage(table, old).rowJson }),
    ...(next === undefined ? {} : { newRowJson: rowMessage(table, next).rowJson }),
  }
}
