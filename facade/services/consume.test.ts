/** Clients of a durable Subscription: credit, answers, and what becomes of events that nobody answered. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import type { Subscription } from '../../crds/types.gen.ts'
import {
  consumerName,
  eventSubject,
  type SubscriptionEvent,
  subscriptionConsumerConfig,
  subscriptionStreamConfig,
} from '../../engine/feed/subscription-stream.ts'
import { type ConsumeRequest, ConsumeRequestSchema } from '../../proto/gen/blasty/v1/subscription_service_pb.js'
import { consume } from './consume.ts'
import type { Scope } from './scope.ts'
import { callContext, requests, servedTable } from './testing.ts'

type Message = ConsumeRequest['message']
const request = (message: Message) => create(ConsumeRequestSchema, { message })
const ref = { namespace: 'test', name: 'sub' }
const open = (credit: number) =>
  create(ConsumeRequestSchema, { message: { case: 'open', value: { subscription: ref, credit } } })
const credit = (deliveries: number) =>
  create(ConsumeRequestSchema, { message: { case: 'credit', value: { deliveries } } })
const ack = (...sequences: number[]) =>
  create(ConsumeRequestSchema, { message: { case: 'ack', value: { sequences: sequences.map(BigInt) } } })
const nack = (millis: number, ...sequences: number[]) =>
  create(ConsumeRequestSchema, {
    message: {
      case: 'nack',
      value: { sequences: sequences.map(BigInt), delay: { seconds: 0n, nanos: millis * 1_000_000 } },
    },
  })

async function subscription(events: number) {
  const { on, served } = await servedTable()
  const { admin, connection } = on.on.streams
  const stream = `test_${randomUUID()}`
  await admin.streams.add(subscriptionStreamConfig({ stream, maxBytes: 2 ** 24, replicas: 1, metadata: {} }))
  await admin.consumers.add(stream, subscriptionConsumerConfig({ stream, ackWaitSeconds: 30, maxDeliver: 5 }))
  for (let revision = 1; revision <= events; revision++) {
    const event: SubscriptionEvent = {
      kind: 'ENTER',
      revision,
      commitTime: revision,
      new: { id: `k${revision}` },
      source: { epoch: 1, revision },
    }
    await connection.request(eventSubject(stream), JSON.stringify(event))
  }
  let allowed = true
  const found = {
    spec: { consumer: { ackWaitSeconds: 30, maxDeliver: 5 } },
    status: { external: { stream } },
  } as unknown as Subscription
  const scope: Pick<Scope, 'subscription'> = {
    subscription: () => {
      if (!allowed) throw new BlastyError('SUBSCRIPTION_NOT_FOUND', { subscription: 'test/sub' })
      return { subscription: found, served }
    },
  }
  return {
    stream,
    admin,
    forbid: () => {
      allowed = false
    },
    /** A client; `next` reads its next delivery. */
    client: (first: number) => {
      const incoming = requests<ConsumeRequest>()
      const stop = new AbortController()
      incoming.send(open(first))
      const messages = consume(scope, incoming.stream, callContext(stop.signal))
      const next = async () => {
        for (;;) {
          const { value, done } = await messages.next()
          if (done) return undefined
          if (value.message.case !== 'delivery') continue
          const { sequence, attempt, event } = value.message.value
          return { sequence: Number(sequence), attempt, row: event.newRowJson }
        }
      }
      const leave = async () => {
        stop.abort(new BlastyError('CANCELLED'))
        incoming.end()
        await assert.rejects(
          async () => {
            while ((await next()) !== undefined);
          },
          error => isBlastyError(error, 'CANCELLED'),
        )
      }
      return { ...incoming, messages, next, leave }
    },
    left: async () => (await admin.streams.info(stream)).state.messages,
    close: async () => {
      await admin.streams.delete(stream)
      await on.close()
    },
  }
}

/** Waits until the server has taken in what was sent without an answer, such as an ack. */
async function until(done: () => Promise<boolean>): Promise<void> {
  const signal = AbortSignal.timeout(20_000)
  while (!(await done())) signal.throwIfAborted()
}

test('as many events come as the client has credit for, and acknowledged ones are gone', async () => {
  const on = await subscription(10)
  const client = on.client(3)
  const first = [await client.next(), await client.next(), await client.next()]
  assert.deepEqual(
    first.map(one => [one?.sequence, one?.attempt, one?.row]),
    [1, 2, 3].map(n => [n, 1, `{"id":"k${n}"}`]),
  )
  const fourth = client.next()
  client.send(ack(1, 2, 3))
  await until(async () => (await on.left()) === 7)
  const { delivered } = await on.admin.consumers.info(on.stream, consumerName)
  assert.equal(delivered.stream_seq, 3, 'nothing more was taken from the stream')
  client.send(credit(1))
  assert.equal((await fourth)?.sequence, 4)
  await client.leave()
  await on.close()
})

test('an event that is refused comes again, after its delay, to whoever has credit', async () => {
  const on = await subscription(2)
  const client = on.client(3)
  assert.equal((await client.next())?.sequence, 1)
  assert.equal((await client.next())?.sequence, 2)
  client.send(nack(200, 1))
  const again = await client.next()
  assert.deepEqual([again?.sequence, again?.attempt], [1, 2])
  client.send(ack(1, 2))
  await until(async () => (await on.left()) === 0)
  await client.leave()
  await on.close()
})

test('what a client leaves unanswered goes to another at once, and nothing is lost between two', async () => {
  const on = await subscription(60)
  const gone = on.client(20)
  for (let i = 0; i < 5; i++) await gone.next()
  await gone.leave()
  const clients = [on.client(10), on.client(10)]
  const seen = new Set<number>()
  const all = Promise.withResolvers<undefined>()
  await Promise.all(
    clients.map(async client => {
      while (seen.size < 60) {
        const delivery = await Promise.race([client.next(), all.promise])
        if (!delivery) return
        seen.add(delivery.sequence)
        if (seen.size === 60) all.resolve(undefined)
        client.send(ack(delivery.sequence), credit(1))
      }
    }),
  )
  assert.deepEqual(
    [...seen].sort((a, b) => a - b),
    Array.from({ length: 60 }, (_, i) => i + 1),
  )
  await until(async () => (await on.left()) === 0)
  await on.close()
})

test('a policy that is withdrawn ends the call although the client has more to say', async () => {
  const on = await subscription(2)
  const client = on.client(2)
  await client.next()
  on.forbid()
  await assert.rejects(client.next(), error => isBlastyError(error, 'SUBSCRIPTION_NOT_FOUND'))
  await on.close()
})

test('too much credit, too many sequences, a second open: each ends the call with its own error', async () => {
  const bad = [credit(10_000), ack(...Array.from({ length: 1001 }, (_, i) => i)), open(1), request({ case: undefined })]
  for (const message of bad) {
    const on = await subscription(0)
    const client = on.client(1)
    client.send(message)
    await assert.rejects(client.next(), error => isBlastyError(error, 'INVALID_ARGUMENT'))
    await on.close()
  }
})

test('a Subscription whose stream is gone says that the backend is not there', async () => {
  const on = await subscription(1)
  const client = on.client(1)
  await client.next()
  client.send(credit(1))
  await on.admin.streams.delete(on.stream)
  await assert.rejects(client.next(), error => isBlastyError(error, 'BACKEND_UNAVAILABLE'))
  await on.admin.streams.add(
    subscriptionStreamConfig({ stream: on.stream, maxBytes: 2 ** 20, replicas: 1, metadata: {} }),
  )
  await on.close()
})
