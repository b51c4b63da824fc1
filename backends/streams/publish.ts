/**
 * Conditional publishing: one message, or up to 1,000 as one atomic batch (NATS ADR-50).
 * The client library's own batch drops expectations, so the protocol is spoken here in headers.
 */

import {
  InvalidArgumentError,
  MsgHdrsImpl,
  type NatsConnection,
  NoRespondersError,
  nuid,
  RequestError,
  TimeoutError,
} from '@nats-io/nats-core'

/** Most messages an atomic batch may hold. */
export const maxBatchMessages = 1000

export type OutgoingMessage = {
  readonly subject: string
  readonly data: Uint8Array
  /** Names and values must hold no CR or LF; they are not checked again. */
  readonly headers?: Readonly<Record<string, string>>
  /** Sequence that must be the last of `subject` (or of `expectOn`): 0 = none. */
  readonly expect?: number
  readonly expectOn?: string
  /** Replaces the earlier messages of its subject. */
  readonly rollup?: boolean
}

/** What the server said. `seq` is the last message's sequence, `count` how many were stored. */
export type PublishOutcome =
  | { readonly kind: 'stored'; readonly seq: number; readonly count: number }
  | { readonly kind: 'conflict'; readonly description: string }
  | { readonly kind: 'full'; readonly description: string }
  | { readonly kind: 'busy'; readonly description: string }
  | { readonly kind: 'refused'; readonly code: number; readonly description: string }
  /** No answer: stored or not, nobody knows. */
  | { readonly kind: 'unknown'; readonly cause: Error }
  /** The server said that nobody serves the stream: nothing was stored. */
  | { readonly kind: 'absent'; readonly cause: Error }

const conflictCodes = new Set([10071, 10164])
const fullCodes = new Set([10002, 10023, 10028, 10047])
/** The store refused; only this description says that a limit is why. */
const storeFailed = 10077
/** Too many batches or requests under way, or a batch that a reconnect tore: nothing was stored. */
const busyCodes = new Set([10167, 10176, 10210])
/** The cluster has no leader at the moment; what a leader did before it stepped down is not known. */
const leaderless = 10008

type Ack = { seq?: number; count?: number; batch?: string; error?: { err_code?: number; description?: string } }

/** Publishes all or nothing. Throws only for programming errors; every answer is an outcome. */
export async function publish(
  connection: NatsConnection,
  messages: readonly OutgoingMessage[],
  timeoutMillis: number,
): Promise<PublishOutcome> {
  const last = messages.length - 1
  const final = messages[last]
  if (final === undefined || messages.length > maxBatchMessages)
    throw new RangeError(`a batch of ${messages.length} messages`)
  try {
    const batch = last === 0 ? undefined : nuid.next()
    for (let i = 0; i < last; i++) {
      const message = messages[i]
      if (message)
        connection.publish(message.subject, message.data, { headers: headersOf(message, batch, i + 1, false) })
    }
    const reply = await connection.request(final.subject, final.data, {
      headers: headersOf(final, batch, last + 1, true),
      timeout: timeoutMillis,
    })
    return outcomeOf(reply.json<Ack>(), messages.length)
  } catch (error) {
    if (error instanceof NoRespondersError) return { kind: 'absent', cause: error }
    if (error instanceof RequestError && error.isNoResponders()) return { kind: 'absent', cause: error }
    if (error instanceof RangeError) throw error
    // The client itself would not send it, as with a message larger than the server takes.
    if (error instanceof InvalidArgumentError) return { kind: 'refused', code: 0, description: error.message }
    return { kind: 'unknown', cause: error instanceof Error ? error : new TimeoutError() }
  }
}

/** Headers that are text already: a batch of a thousand makes them a thousand times. */
class TextHeaders extends MsgHdrsImpl {
  readonly #text: string

  constructor(text: string) {
    super()
    this.#text = text
  }

  override encode(): Uint8Array {
    return Buffer.from(`NATS/1.0\r\n${this.#text}\r\n`)
  }
}

function headersOf(message: OutgoingMessage, batch: string | undefined, sequence: number, commit: boolean) {
  const { headers, expect, expectOn, rollup } = message
  let text = ''
  for (const name in headers) text += `${name}: ${headers[name]}\r\n`
  if (batch !== undefined) {
    text += `Nats-Batch-Id: ${batch}\r\nNats-Batch-Sequence: ${sequence}\r\n`
    if (commit) text += 'Nats-Batch-Commit: 1\r\n'
  }
  if (expect !== undefined) {
    text += `Nats-Expected-Last-Subject-Sequence: ${expect}\r\n`
    if (expectOn !== undefined) text += `Nats-Expected-Last-Subject-Sequence-Subject: ${expectOn}\r\n`
  }
  if (rollup === true) text += 'Nats-Rollup: sub\r\n'
  return new TextHeaders(text)
}

function outcomeOf(ack: Ack, count: number): PublishOutcome {
  if (ack.error) {
    const code = ack.error.err_code ?? 0
    const description = ack.error.description ?? `error ${code}`
    if (conflictCodes.has(code)) return { kind: 'conflict', description }
    if (fullCodes.has(code) || (code === storeFailed && /maximum (bytes|messages) exceeded/.test(description)))
      return { kind: 'full', description }
    if (busyCodes.has(code)) return { kind: 'busy', description }
    if (code === leaderless || code === storeFailed) return { kind: 'unknown', cause: new Error(description) }
    return { kind: 'refused', code, description }
  }
  if (typeof ack.seq !== 'number') return { kind: 'refused', code: 0, description: 'an answer without a sequence' }
  return { kind: 'stored', seq: ack.seq, count: ack.count ?? count }
}
