import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { BlastyError } from '../../base/errors.ts'
import { BlobService } from '../../proto/gen/blasty/v1/blob_service_pb.js'
import { type ImportResponseSchema, MutationService } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { QueryService } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { type Connection, connect } from './client.ts'
import type { ServiceImplementation } from './context.ts'
import { type GrpcServer, startGrpcServer } from './server.ts'
import { failsWith, unused } from './testing.ts'

describe('streams of a gRPC server', () => {
  let server: GrpcServer
  let client: Connection

  before(async () => {
    server = await startGrpcServer({
      address: '127.0.0.1:0',
      authenticate: async () => ({ user: 'alice', groups: [] }),
      log: { internalError: (_, __, error) => assert.fail(String(error)) },
    })
    client = connect(`127.0.0.1:${server.port}`)
  })
  after(async () => {
    client.close()
    await server.close(100)
  })

  const serveQuery = (implementation: Partial<ServiceImplementation<typeof QueryService>>) =>
    server.add(QueryService, { query: unused, get: unused, batchGet: unused, list: unused, ...implementation })

  it('streams replies until the service ends them', async () => {
    serveQuery({
      async *query() {
        for (let i = 0; i < 3; i++) yield { part: { case: 'trailer', value: { rows: BigInt(i) } } }
      },
    })
    const rows: unknown[] = []
    for await (const reply of client.service(QueryService).query({})) {
      rows.push(reply.part.case === 'trailer' ? reply.part.value.rows : reply.part.case)
    }
    assert.deepEqual(rows, [0n, 1n, 2n])
  })

  it('delivers what was streamed before an error, then the error', async () => {
    serveQuery({
      async *query() {
        yield { part: { case: 'trailer', value: {} } }
        throw new BlastyError('QUERY_LIMIT', { limit: '1 row' })
      },
    })
    let replies = 0
    await assert.rejects(
      async () => {
        for await (const _ of client.service(QueryService).query({})) replies++
      },
      failsWith({ reason: 'QUERY_LIMIT' }),
    )
    assert.equal(replies, 1)
  })

  it('produces no further while the client does not read, and stops when it leaves', async () => {
    let produced = 0
    const ended = Promise.withResolvers<unknown>()
    const stalled = Promise.withResolvers<void>()
    serveQuery({
      async *query(_, { signal }) {
        try {
          // The producer counts as stalled once it was not asked for 200 ms: a sound one is asked at once or not at all.
          const strings = { values: ['x'.repeat(10_000)] }
          let quiet = setTimeout(stalled.resolve, 200)
          for (;;) {
            produced++
            yield {
              part: { case: 'batch', value: { rows: 1, columns: [{ values: { case: 'strings', value: strings } }] } },
            }
            clearTimeout(quiet)
            quiet = setTimeout(stalled.resolve, 200)
          }
        } finally {
          ended.resolve(signal.aborted)
        }
      },
    })
    const replies = client.service(QueryService).query({})[Symbol.asyncIterator]()
    await replies.next()
    await stalled.promise
    // Flow control windows and buffers hold some hundred kilobytes; a stream that ignored them would go on for ever.
    assert.ok(produced < 1000, `${produced} messages of 10 kB were produced for a client that read one`)
    await replies.return?.()
    assert.equal(await ended.promise, true)
  })

  it('takes a stream of requests and answers once', async () => {
    server.add(BlobService, {
      download: unused,
      presignUpload: unused,
      completeUpload: unused,
      presignDownload: unused,
      upload: async requests => {
        let size = 0n
        for await (const { part } of requests) if (part.case === 'chunk') size += BigInt(part.value.length)
        return { blob: { size } }
      },
    })
    async function* parts() {
      for (let i = 0; i < 50; i++) yield { part: { case: 'chunk' as const, value: new Uint8Array(50_000) } }
    }
    const { blob: stored } = await client.service(BlobService).upload(parts())
    assert.equal(stored?.size, 2_500_000n)
  })

  it('answers a stream of requests without reading it to the end', async () => {
    server.add(BlobService, {
      download: unused,
      presignUpload: unused,
      completeUpload: unused,
      presignDownload: unused,
      upload: async requests => {
        for await (const _ of requests) throw new BlastyError('BLOB_MISMATCH', { property: 'size' })
        return {}
      },
    })
    async function* endless() {
      for (;;) yield { part: { case: 'chunk' as const, value: new Uint8Array(50_000) } }
    }
    await assert.rejects(client.service(BlobService).upload(endless()), failsWith({ reason: 'BLOB_MISMATCH' }))
  })

  it('runs both directions at once', async () => {
    server.add(MutationService, {
      write: unused,
      erase: unused,
      ingest: unused,
      async *import(requests): AsyncGenerator<MessageInitShape<typeof ImportResponseSchema>> {
        for await (const { message } of requests) {
          if (message.case === 'chunk') yield { message: { case: 'ack', value: { number: message.value.number } } }
        }
        yield { message: { case: 'summary', value: {} } }
      },
    })
    const acked = new Map<bigint, PromiseWithResolvers<void>>()
    const ackOf = (n: bigint) => {
      const ack = acked.get(n) ?? Promise.withResolvers<void>()
      acked.set(n, ack)
      return ack
    }
    async function* chunks() {
      for (let number = 1n; number <= 100n; number++) {
        yield { message: { case: 'chunk' as const, value: { number, rowsJson: ['{}'] } } }
        // Only a server that answers while requests still come gets past this.
        await ackOf(number).promise
      }
    }
    let last: string | undefined
    for await (const { message } of client.service(MutationService).import(chunks())) {
      if (message.case === 'ack') ackOf(message.value.number).resolve()
      last = message.case
    }
    assert.equal(last, 'summary')
    assert.equal(acked.size, 100)
  })
})
