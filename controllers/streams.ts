/** JetStream streams as the controllers see them: looked at, made, changed and removed by name. */

import { type ConsumerConfig, JetStreamApiError, type StreamConfig } from '@nats-io/jetstream'
import { reason, type Streams } from '../backends/streams/connect.ts'
import { BlastyError } from '../base/errors.ts'
import { epochKey } from '../engine/log/log.ts'
import { type Found, markOfMetadata } from './marks.ts'

/** `err_code` of the server (JSStreamNotFoundErr). */
const streamNotFound = 10059

export type StreamSeen = {
  readonly found: Found
  /** Of a change log; 0 when the metadata has none. */
  readonly epoch: number
  /** Sequences of the first and the last message. */
  readonly first: number
  readonly last: number
  readonly config: StreamConfig
}

export type WantedStream = Partial<StreamConfig> & { readonly name: string }

/** The stream as its leader has it; undefined when there is none. */
export async function lookAtStream(streams: Streams, name: string): Promise<StreamSeen | undefined> {
  const info = await asking(() => streams.admin.streams.info(name)).catch(absent)
  if (info === undefined) return undefined
  const { metadata } = info.config
  return {
    found: markOfMetadata(metadata),
    epoch: Number(metadata?.[epochKey] ?? 0),
    first: info.state.first_seq,
    last: info.state.last_seq,
    config: info.config,
  }
}

/** Makes a stream; the same one made before is fine. */
export async function createStream(streams: Streams, wanted: WantedStream): Promise<void> {
  await asking(() => streams.admin.streams.add(wanted))
}

/** Changes a stream to what `wanted` says; what that does not name stays. */
export async function updateStream(streams: Streams, seen: StreamConfig, wanted: WantedStream): Promise<void> {
  const metadata = { ...seen.metadata, ...wanted.metadata }
  await asking(() => streams.admin.streams.update(wanted.name, { ...seen, ...wanted, metadata }))
}

/** Removes a stream and all it holds; none is fine. */
export async function removeStream(streams: Streams, name: string): Promise<void> {
  await asking(() => streams.admin.streams.delete(name)).catch(absent)
}

/** Makes a consumer, or changes the one that `exists`. */
export async function setConsumer(
  { admin }: Streams,
  stream: string,
  wanted: Partial<ConsumerConfig> & { readonly durable_name: string },
  exists: boolean,
): Promise<void> {
  await asking(() =>
    exists ? admin.consumers.update(stream, wanted.durable_name, wanted) : admin.consumers.add(stream, wanted),
  )
}

/** Fields in which a stream differs from what is wanted, its metadata apart. */
export function differences(seen: StreamConfig, wanted: WantedStream): string[] {
  const actual = new Map<string, unknown>(Object.entries(seen))
  return Object.entries(wanted)
    .filter(
      ([field, value]) => field !== 'metadata' && JSON.stringify(actual.get(field) ?? false) !== JSON.stringify(value),
    )
    .map(([field]) => field)
    .sort()
}

function absent(error: unknown): undefined {
  const cause = error instanceof BlastyError ? error.cause : undefined
  if (cause instanceof JetStreamApiError && cause.code === streamNotFound) return undefined
  throw error
}

async function asking<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    // An answer of the server, or none.
    const code = error instanceof JetStreamApiError ? 'BACKEND_REFUSED' : 'BACKEND_UNAVAILABLE'
    throw new BlastyError(code, { backend: 'streams server', problem: reason(error) }, { cause: error })
  }
}
