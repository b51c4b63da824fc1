/** Requests are answered each by its own answer, and the ones without are told why. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { RequestError, TimeoutError } from '@nats-io/nats-core'
import { testStack } from '../../devstack/testing.ts'
import { connectStreams, type Streams } from './connect.ts'

let asking: Streams
let answering: Streams
before(async () => {
  const { nats } = await testStack('nats')
  const open = (name: string) => connectStreams({ servers: nats.servers, ...nats.users.operator, name })
  ;[asking, answering] = await Promise.all([open('asking'), open('answering')])
  answering.connection.subscribe('requests_test.late', {
    callback: (_, message) => void setTimeout(() => message.respond(message.data), 200),
  })
  answering.connection.subscribe('requests_test.never', { callback: () => {} })
  await answering.connection.flush()
})
after(() => Promise.all([asking.close(), answering.close()]))

test('many requests at once get each its own answer', async () => {
  const numbers = Array.from({ length: 500 }, (_, number) => String(number))
  const answers = await Promise.all(
    numbers.map(number => asking.connection.request('requests_test.late', number, { timeout: 10_000 })),
  )
  assert.deepEqual(
    answers.map(answer => answer.string()),
    numbers,
  )
})

test('a request that nobody serves is told so at once', async () => {
  await assert.rejects(
    asking.connection.request('requests_test.nobody', '', { timeout: 60_000 }),
    error => error instanceof RequestError && error.isNoResponders(),
  )
})

test('a request that nobody answers ends when its time is over, and the one beside it is still answered', async () => {
  const late = asking.connection.request('requests_test.late', 'x', { timeout: 10_000 })
  await assert.rejects(asking.connection.request('requests_test.never', '', { timeout: 1 }), TimeoutError)
  assert.equal((await late).string(), 'x')
})

test('an answer that comes after its time is over is passed over', async () => {
  await assert.rejects(asking.connection.request('requests_test.late', 'old', { timeout: 1 }), TimeoutError)
  const next = await asking.connection.request('requests_test.late', 'new', { timeout: 10_000 })
  assert.equal(next.string(), 'new')
})

test('a message that the client refuses to send rejects', async () => {
  await assert.rejects(asking.connection.request('', 'x'))
})

test('requests under way end with the connection', async () => {
  const { nats } = await testStack('nats')
  const closing = await connectStreams({ servers: nats.servers, ...nats.users.operator, name: 'closing' })
  const request = closing.connection.request('requests_test.never', '', { timeout: 60_000 })
  const rejected = assert.rejects(request, RequestError)
  await closing.connection.flush()
  await closing.close()
  await rejected
})
