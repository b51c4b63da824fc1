/**
 * The stream of a durable Subscription: its events, and the router's checkpoint.
 *
 * Subjects: `<stream>.e` events, `<stream>.ckpt` the last checkpoint (each replaces the one before). A work queue: an event
 * is dropped once a client has acknowledged it.
 */

import type { ConsumerConfig, StreamConfig } from '@nats-io/jetstream'
import type { Json } from '../schema/schema.ts'
import type { EventKind } from './event.ts'

export const eventSubject = (stream: string): string => `${stream}.e`
export const checkpointSubject = (stream: string): string => `${stream}.ckpt`
/** No subject of the stream: on it a router is asked to write its checkpoint though there is no event to go with it. */
export const checkpointDemandSubject = (stream: string): string => `_blasty.route.${stream}`

/** How far the router has come. Written in one atomic batch with the events that it stands for. */
export type Checkpoint = {
  readonly epoch: number
  /** The source revision up to which everything is in the stream. */
  readonly revision: number
  /** While the snapshot is being told: base64 of the last key told of the rows at `revision`; "" before the first. */
  readonly snapshotAfter?: string
  /** Events written so far. */
  readonly delivered: number
}

/** An event as it lies in the stream. Rows are in canonical JSON. */
export type SubscriptionEvent = {
  readonly kind: EventKind
  /** Revision of the change. */
  readonly revision: number
  /** Microseconds since 1970. */
  readonly commitTime: number
  readonly old?: Json
  readonly new?: Json
  /** The old row was left out because the event would not fit a message. */
  readonly oldOmitted?: true
  /** Where it comes from: the end of the batch in the Table's log. */
  readonly source: { readonly epoch: number; readonly revision: number }
}

export function subscriptionStreamConfig(options: {
  stream: string
  maxBytes: number
  replicas: number
  metadata: Readonly<Record<string, string>>
}): Partial<StreamConfig> & { name: string } {
  return {
    name: options.stream,
    subjects: [eventSubject(options.stream), checkpointSubject(options.stream)],
    storage: 'file',
    retention: 'workqueue',
    discard: 'new',
    max_bytes: options.maxBytes,
    num_replicas: options.replicas,
    allow_atomic: true,
    allow_direct: true,
    allow_rollup_hdrs: true,
    metadata: { ...options.metadata },
  }
}

/** Name of the one consumer that all clients of a Subscription share. */
export const consumerName = 'clients'

export function subscriptionConsumerConfig(options: {
  stream: string
  ackWaitSeconds: number
  maxDeliver: number
}): Partial<ConsumerConfig> & { durable_name: string } {
  return {
    durable_name: consumerName,
    filter_subject: eventSubject(options.stream),
    ack_policy: 'explicit',
    deliver_policy: 'all',
    ack_wait: options.ackWaitSeconds * 1_000_000_000,
    max_deliver: options.maxDeliver,
    max_ack_pending: 10_000,
  }
}
