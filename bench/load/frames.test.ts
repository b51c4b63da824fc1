/** The load client of frames against a real server of grpc-js. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type handleServerStreamingCall, type handleUnaryCall, Server, ServerCredentials, status } from '@grpc/grpc-js'
import { connectFrames, type FrameClient } from './frames.ts'

const asIs = (bytes: Buffer): Buffer => bytes
const method = (path: string, responseStream: boolean) => ({
  path,
  requestStream: false,
  responseStream,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
})
const token = 't'.repeat(1_000)
const seen = new Set<string>()

const echo: handleUnaryCall<Buffer, Buffer> = ({ request, metadata }, done) => {
  seen.add(String(metadata.get('authorization')[0]))
  if (request.length === 0) done({ code: status.INVALID_ARGUMENT, details: 'empty' })
  else done(null, request)
}
/** As many messages as the request says, each longer by a kilobyte than the one before. */
const count: handleServerStreamingCall<Buffer, Buffer> = call => {
  for (let number = 0; number < Number(call.request.toString()); number++)
    call.write(Buffer.alloc(number * 1024, number))
  call.end()
}

let server: Server
let client: FrameClient
before(async () => {
  server = new Server()
  server.addService({ echo: method('/t.T/Echo', false), count: method('/t.T/Count', true) }, { echo, count })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  client = connectFrames(`127.0.0.1:${port}`, token)
})
after(() => {
  client.close()
  server.forceShutdown()
})

test('every call gets its own answer, however much more than a window is sent at once', async () => {
  const requests = Array.from({ length: 2_000 }, (_, index) => Buffer.from(`${index} `.repeat(100)))
  const answers = await Promise.all(requests.map(request => client.call('/t.T/Echo', request)))
  assert.deepEqual(
    answers.map(answer => answer.toString()),
    requests.map(request => request.toString()),
  )
  assert.deepEqual([...seen], [`Bearer ${token}`])
})

test('a call that fails is told from one that succeeds', async () => {
  await assert.rejects(client.call('/t.T/Echo', Buffer.alloc(0)), /was not answered/)
  await assert.rejects(client.call('/t.T/None', Buffer.of(1)), /was not answered/)
  assert.equal((await client.call('/t.T/Echo', Buffer.of(7))).toString('hex'), '07')
})

test('messages of a stream come whole and in order, those of many frames too', async () => {
  const sizes: number[] = []
  const following = client.follow('/t.T/Count', Buffer.from('60'), message => {
    assert.ok(message.every(byte => byte === sizes.length))
    sizes.push(message.length)
  })
  await assert.rejects(following, /ended/)
  assert.deepEqual(
    sizes,
    Array.from({ length: 60 }, (_, number) => number * 1024),
  )
})

test('calls end with the connection', async () => {
  const other = new Server()
  const port = await new Promise<number>((resolve, reject) => {
    other.addService({ echo: method('/t.T/Echo', false) }, { echo: () => {} })
    other.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  const lost = connectFrames(`127.0.0.1:${port}`, token)
  const waiting = lost.call('/t.T/Echo', Buffer.of(1))
  setImmediate(() => other.forceShutdown())
  await assert.rejects(waiting, /was not answered/)
  await assert.rejects(lost.call('/t.T/Echo', Buffer.of(1)), /was not answered/)
})
