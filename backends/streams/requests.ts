/**
 * Requests that cost little: one promise each, and one timer for all. The client's own makes three promises, a timer and an
 * Error with its stack for every answer that comes, which at a thousand writes a second is a twentieth of a process.
 */

import {
  ClosedConnectionError,
  createInbox,
  type Msg,
  type NatsConnection,
  NoRespondersError,
  RequestError,
  TimeoutError,
} from '@nats-io/nats-core'

type Waiting = {
  readonly subject: string
  /** By the monotonic clock, in milliseconds. */
  readonly until: number
  readonly resolve: (message: Msg) => void
  readonly reject: (error: Error) => void
}

const defaultTimeoutMillis = 1000
/** How late a request may be told that nobody answered. */
const sweepMillis = 50

/**
 * What may stand for `connection.request`: rejects with TimeoutError, or with RequestError whose cause says why. A request with an
 * inbox of its own is left to the client.
 */
export function lightRequests(connection: NatsConnection): NatsConnection['request'] {
  const own = connection.request.bind(connection)
  const inbox = `${createInbox()}.`
  const waiting = new Map<string, Waiting>()
  let next = 0
  let sweeping: NodeJS.Timeout | undefined

  connection.subscribe(`${inbox}*`, {
    callback: (error, message) => {
      // Of the subscription itself: no answer will come, and the requests run out of their time.
      if (error !== null) return
      const token = message.subject.slice(inbox.length)
      const request = waiting.get(token)
      if (request === undefined) return
      waiting.delete(token)
      const nobody = message.data.length === 0 && message.headers?.code === 503
      if (!nobody) return request.resolve(message)
      const problem = new NoRespondersError(request.subject)
      request.reject(new RequestError(problem.message, { cause: problem }))
    },
  })
  const sweep = () => {
    const now = performance.now()
    for (const [token, { until, reject }] of waiting) {
      if (until > now) continue
      waiting.delete(token)
      reject(new TimeoutError())
    }
    if (waiting.size > 0) sweeping = setTimeout(sweep, sweepMillis)
    else sweeping = undefined
  }
  void connection.closed().then(() => {
    clearTimeout(sweeping)
    for (const { reject } of waiting.values()) {
      reject(new RequestError('connection closed', { cause: new ClosedConnectionError() }))
    }
    waiting.clear()
  })

  return (subject, data, options) => {
    if (options?.noMux || options?.reply !== undefined) return own(subject, data, options)
    const { timeout = defaultTimeoutMillis, ...rest } = options ?? {}
    return new Promise((resolve, reject) => {
      const token = String(next++)
      connection.publish(subject, data, { ...rest, reply: `${inbox}${token}` })
      waiting.set(token, { subject, until: performance.now() + timeout, resolve, reject })
      sweeping ??= setTimeout(sweep, sweepMillis)
    })
  }
}
