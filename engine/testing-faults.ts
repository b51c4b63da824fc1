/** Streams whose connection fails at a chosen publish, in the ways a network and a server do. */

import type { NatsConnection } from '@nats-io/transport-node'
import type { Streams } from '../backends/streams/connect.ts'

/**
 * `unsent`: the request never leaves, as when the connection is gone · `unanswered`: the server does its work and the answer is
 * lost · `late`: as unsent, but it arrives once the writer has tried again.
 */
export type PublishFault = 'unsent' | 'unanswered' | 'late'

export type FaultyStreams = {
  readonly streams: Streams
  /** Requests to the log itself so far; reads and administration do not count. */
  readonly requests: () => number
}

/** Only requests on `prefix` fail: the `at`-th of them, from 1. `onFault` is called when that happens. */
export function faultyStreams(
  streams: Streams,
  prefix: string,
  at: number,
  fault: PublishFault,
  onFault: () => void = () => {},
): FaultyStreams {
  let requests = 0
  let held: (() => void) | undefined
  const { connection } = streams
  const failing: Pick<NatsConnection, 'request' | 'publish'> = {
    publish: (...args) => connection.publish(...args),
    request: async (...args) => {
      const [subject] = args
      if (!subject.startsWith(prefix)) return connection.request(...args)
      const number = ++requests
      if (number === at + 1) held?.()
      if (number !== at) return connection.request(...args)
      if (fault === 'unanswered') await connection.request(...args)
      if (fault === 'late') held = () => void connection.request(...args).catch(() => {})
      onFault()
      throw new Error('the network is gone')
    },
  }
  const proxy = new Proxy(connection, {
    get(target, name) {
      if (name === 'request' || name === 'publish') return failing[name]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { streams: { ...streams, connection: proxy }, requests: () => requests }
}
