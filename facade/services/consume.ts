/** Taking events of a durable Subscription: credit, acknowledgements, redelivery. */

import type { Consumer, ConsumerMessages, JsMsg } from '@nats-io/jetstream'
import { reason } from '../../backends/streams/connect.ts'
import { BlastyError } from '../../base/errors.ts'
import { consumerName, type SubscriptionEvent } from '../../engine/feed/subscription-stream.ts'
import type { Table } from '../../engine/table.ts'
import type { ConsumeOpen, ConsumeRequest } from '../../proto/gen/blasty/v1/subscription_service_pb.js'
import type { CallContext } from '../grpc/context.ts'
import type { Scope } from './scope.ts'
import { eventKinds, timestampOf } from './subscription.ts'
import { positionOf } from './token.ts'

const maxOpenDeliveries = 10_000
const maxSequences = 1000
const progressMillis = 15_000
/** Deliveries asked of the stream at a time: they lie in memory until the client reads them. */
const maxFetched = 64

/** Serves one client of a Subscription until it or the server ends the call. */
export async function* consume(
  scope: Pick<Scope, 'subscription'>,
  requests: AsyncIterable<ConsumeRequest>,
  context: CallContext,
) {
  const incoming = requests[Symbol.asyncIterator]()
  const open = openOf(await incoming.next())
  const { subscription, served } = scope.subscription(context.identity, open.subscription)
  const { ackWaitSeconds, maxDeliver } = subscription.spec.consumer
  yield { message: { case: 'opened' as const, value: { ackWaitSeconds, maxDeliver } } }

  const stream = subscription.status?.external?.stream ?? ''
  const consumer = await served.backends.streams.client.consumers.get(stream, consumerName).catch(error => {
    throw unavailable(error)
  })
  const client = new Client(consumer, served.table)
  const reading = client.read(incoming, open.credit).catch(error => client.fail(error))
  try {
    for await (const delivery of client.deliveries(context.signal)) {
      // A policy may have been withdrawn since; the check is a look at the cache.
      scope.subscription(context.identity, open.subscription)
      yield delivery
    }
    context.signal.throwIfAborted()
  } finally {
    client.stop()
    // Neither is waited for: they end with the call, which ends after this.
    incoming.return?.(undefined).catch(() => {})
    void reading
  }
}

class Client {
  readonly #consumer: Consumer
  readonly #table: Table
  /** Deliveries sent and not yet answered. */
  readonly #unanswered = new Map<number, JsMsg>()
  #credit = 0
  #wake = Promise.withResolvers<void>()
  #fetching: ConsumerMessages | undefined
  #stopped = false
  #failure: unknown

  constructor(consumer: Consumer, table: Table) {
    this.#consumer = consumer
    this.#table = table
  }

  stop(): void {
    this.#stopped = true
    this.#fetching?.stop()
    this.#wake.resolve()
    // What the client leaves unanswered goes to another at once.
    for (const message of this.#unanswered.values()) message.nak()
    this.#unanswered.clear()
  }

  fail(error: unknown): void {
    this.#failure = error
    this.stop()
  }

  async read(incoming: AsyncIterator<ConsumeRequest>, credit: number): Promise<void> {
    this.#allow(credit)
    for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
      const { message } = next.value
      switch (message.case) {
        case 'credit':
          this.#allow(message.value.deliveries)
          break
        case 'ack':
          for (const delivery of this.#take(message.value.sequences)) delivery.ack()
          break
        case 'nack': {
          const { seconds = 0n, nanos = 0 } = message.value.delay ?? {}
          const millis = Number(seconds) * 1000 + nanos / 1_000_000
          for (const delivery of this.#take(message.value.sequences)) delivery.nak(millis > 0 ? millis : undefined)
          break
        }
        case 'extend':
          for (const sequence of message.value.sequences) this.#unanswered.get(Number(sequence))?.working()
          break
        case 'open':
        case undefined:
          throw new BlastyError('INVALID_ARGUMENT', {
            field: 'message',
            problem: 'credit, ack, nack or extend is expected after open',
          })
      }
    }
    this.stop()
  }

  /** What the client is sent. Throws BACKEND_UNAVAILABLE, and what `fail` was given. */
  async *deliveries(signal: AbortSignal) {
    const stop = () => this.stop()
    signal.addEventListener('abort', stop)
    if (signal.aborted) this.stop()
    try {
      let told = performance.now()
      while (!this.#stopped) {
        if (this.#credit === 0) {
          await this.#wake.promise
          this.#wake = Promise.withResolvers()
          continue
        }
        const wanted = Math.min(this.#credit, maxFetched)
        this.#fetching = await this.#consumer.fetch({ max_messages: wanted, expires: progressMillis })
        // Stopped while it was asked for: `stop` had nothing to stop yet.
        if (this.#stopped) this.#fetching.stop()
        let fetched = 0
        for await (const message of this.#fetching) {
          fetched++
          if (this.#stopped) {
            message.nak()
            continue
          }
          this.#credit--
          this.#unanswered.set(message.seq, message)
          yield { message: { case: 'delivery' as const, value: this.#delivery(message) } }
          if (message.info.pending === 0) {
            told = performance.now()
            yield await this.#progress()
          }
        }
        if (this.#stopped) break
        if (fetched === wanted && performance.now() - told < progressMillis) continue
        told = performance.now()
        yield await this.#progress()
      }
    } catch (error) {
      throw this.#failure ?? unavailable(error)
    } finally {
      signal.removeEventListener('abort', stop)
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  async #progress() {
    const { num_pending: pending, num_ack_pending: unacked } = await this.#consumer.info()
    return { message: { case: 'progress' as const, value: { pending: BigInt(pending), unacked: BigInt(unacked) } } }
  }

  #allow(deliveries: number): void {
    if (this.#credit + this.#unanswered.size + deliveries > maxOpenDeliveries) {
      throw new BlastyError('INVALID_ARGUMENT', {
        field: 'credit',
        problem: `more than ${maxOpenDeliveries} deliveries would be open`,
      })
    }
    this.#credit += deliveries
    if (this.#credit > 0) this.#wake.resolve()
  }

  #take(sequences: readonly bigint[]): JsMsg[] {
    if (sequences.length > maxSequences) {
      throw new BlastyError('INVALID_ARGUMENT', { field: 'sequences', problem: `must be at most ${maxSequences}` })
    }
    return sequences.flatMap(sequence => {
      const message = this.#unanswered.get(Number(sequence))
      this.#unanswered.delete(Number(sequence))
      return message === undefined ? [] : [message]
    })
  }

  #delivery(message: JsMsg) {
    const { kind, revision, commitTime, old, new: next, source } = message.json<SubscriptionEvent>()
    const event = {
      kind: eventKinds[kind],
      revision: BigInt(revision),
      commitTime: timestampOf(commitTime),
      ...(old === undefined ? {} : { oldRowJson: JSON.stringify(old) }),
      ...(next === undefined ? {} : { newRowJson: JSON.stringify(next) }),
    }
    return {
      sequence: BigInt(message.seq),
      attempt: message.info.deliveryCount,
      event,
      source: { ...positionOf(this.#table, source.revision), epoch: source.epoch },
    }
  }
}

function unavailable(error: unknown): unknown {
  if (error instanceof BlastyError) return error
  return new BlastyError('BACKEND_UNAVAILABLE', { backend: 'streams server', problem: reason(error) }, { cause: error })
}

function openOf(first: IteratorResult<ConsumeRequest>): ConsumeOpen {
  if (!first.done && first.value.message.case === 'open') return first.value.message.value
  throw new BlastyError('INVALID_ARGUMENT', { field: 'message', problem: 'the first message must be open' })
}
