/** One connection to the streams backend, and its JetStream faces. */

import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { BlastyError } from '../../base/errors.ts'
import { lightRequests } from './requests.ts'
import { connect } from './transport.ts'

export type StreamsOptions = {
  readonly servers: readonly string[]
  readonly user?: string
  readonly password?: string
  /** Shown by the server in its connection list. */
  readonly name: string
}

/** A live connection; it reconnects by itself for ever. */
export type Streams = {
  readonly connection: NatsConnection
  readonly client: JetStreamClient
  readonly admin: JetStreamManager
  readonly close: () => Promise<void>
}

/** Connects, or throws BACKEND_UNAVAILABLE when no server answers or JetStream is off. */
export async function connectStreams(options: StreamsOptions): Promise<Streams> {
  let connection: NatsConnection | undefined
  try {
    connection = await connect({
      servers: [...options.servers],
      name: options.name,
      ...(options.user === undefined ? {} : { user: options.user }),
      ...(options.password === undefined ? {} : { pass: options.password }),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      reconnectJitter: 250,
      pingInterval: 10_000,
      maxPingOut: 2,
      timeout: 5_000,
      noAsyncTraces: true, // else every request makes an Error beforehand, for its stack alone
    })
    connection.request = lightRequests(connection)
    const admin = await jetstreamManager(connection)
    const client = jetstream(connection)
    const open = connection
    return { connection: open, client, admin, close: () => open.close() }
  } catch (error) {
    await connection?.close()
    throw new BlastyError(
      'BACKEND_UNAVAILABLE',
      { backend: 'streams server', problem: reason(error) },
      { cause: error },
    )
  }
}

/** A short text of an error, for messages. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}
