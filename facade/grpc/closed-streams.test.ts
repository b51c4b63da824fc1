import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { BlastyError } from '../../base/errors.ts'
import { QueryService } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { anonymous } from '../auth/identity.ts'
import { connect } from './client.ts'
import { startGrpcServer } from './server.ts'
import { failsWith, unused } from './testing.ts'

test('nobody listens to the stream of a call that is over, whether it was answered, failed, or was left', async () => {
  const streams: EventEmitter[] = []
  const opened = (message: unknown) => {
    const { stream } = Object(message) as { stream?: unknown }
    if (stream instanceof EventEmitter) streams.push(stream)
  }
  subscribe('http2.server.stream.created', opened)
  const server = await startGrpcServer({
    address: '127.0.0.1:0',
    authenticate: async () => anonymous,
    log: { internalError: () => {} },
  })
  const client = connect(`127.0.0.1:${server.port}`)
  try {
    const left = Promise.withResolvers<void>()
    server.add(QueryService, {
      batchGet: unused,
      list: unused,
      get: async ({ keyJson }) => {
        if (keyJson === '') throw new BlastyError('INVALID_ARGUMENT', { field: 'key_json', problem: 'is empty' })
        return {}
      },
      query: async function* (_, { signal }) {
        yield { part: { case: 'header', value: { columns: [] } } }
        await new Promise(resolve => signal.addEventListener('abort', resolve))
        left.resolve()
      },
    })
    const queries = client.service(QueryService)
    await queries.get({ keyJson: '{}' })
    await assert.rejects(queries.get({ keyJson: '' }), failsWith({ reason: 'INVALID_ARGUMENT' }))
    for await (const _ of queries.query({})) break
    await left.promise
    await assert.rejects(queries.list({}))
    assert.equal(streams.length, 4)
    for (const deadline = performance.now() + 5_000; performance.now() < deadline; ) {
      if (streams.every(stream => stream.eventNames().length === 1)) break
      await turn()
    }
    assert.deepEqual(
      streams.map(stream => stream.eventNames()),
      streams.map(() => ['error']),
    )
    // What fails late ends nothing.
    for (const stream of streams) stream.emit('error', new Error('late'))
    await queries.get({ keyJson: '{}' })
  } finally {
    unsubscribe('http2.server.stream.created', opened)
    client.close()
    await server.close(100)
  }
})
