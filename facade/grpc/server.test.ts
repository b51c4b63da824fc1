import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { Client, credentials, Metadata } from '@grpc/grpc-js'
import { BlastyError } from '../../base/errors.ts'
import { MutationService } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { QueryService } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { type Connection, connect } from './client.ts'
import type { CallContext, ServiceImplementation } from './context.ts'
import { RpcError, rpcError } from './rpc-error.ts'
import { type GrpcServer, startGrpcServer } from './server.ts'
import { failsWith, unused } from './testing.ts'

describe('a gRPC server', () => {
  let server: GrpcServer
  let client: Connection
  const logged: unknown[] = []

  before(async () => {
    server = await startGrpcServer({
      address: '127.0.0.1:0',
      authenticate: async metadata => {
        const [token] = metadata.get('authorization')
        if (token !== 'Bearer good') throw new BlastyError('UNAUTHENTICATED', { problem: 'no token' })
        return { user: 'alice', groups: [] }
      },
      log: { internalError: (id, path, error) => logged.push([id, path, error]) },
      maxRequestBytes: 100_000,
    })
    client = connect(`127.0.0.1:${server.port}`, { token: 'good' })
  })
  after(async () => {
    client.close()
    await server.close(100)
  })

  const serveQuery = (implementation: Partial<ServiceImplementation<typeof QueryService>>) =>
    server.add(QueryService, { query: unused, get: unused, batchGet: unused, list: unused, ...implementation })

  it('answers a unary call and tells the service who calls and until when', async () => {
    let context: CallContext | undefined
    serveQuery({
      get: async (request, given) => {
        context = given
        return { row: { rowJson: request.keyJson, revision: 7n } }
      },
    })
    const response = await client.service(QueryService).get({ keyJson: '{"id":"ü"}' }, { timeoutMs: 60_000 })
    assert.deepEqual([response.row?.rowJson, response.row?.revision], ['{"id":"ü"}', 7n])
    assert.equal(context?.identity.user, 'alice')
    assert.equal(context?.path, '/blasty.v1.QueryService/Get')
    assert.ok(Number.isFinite(context?.deadline))
    assert.equal(context?.signal.aborted, false, 'a call that is answered is not aborted')
  })

  it('refuses a call without a token', async () => {
    serveQuery({ get: async () => ({}) })
    const stranger = connect(`127.0.0.1:${server.port}`)
    await assert.rejects(
      stranger.service(QueryService).get({}),
      failsWith({ status: 'UNAUTHENTICATED', reason: 'UNAUTHENTICATED' }),
    )
    stranger.close()
  })

  it('tells an error of the catalogue with its code, its details and the fields at fault', async () => {
    serveQuery({
      get: async () => {
        throw new BlastyError(
          'INVALID_ROW',
          { row: 0, table: 'cinema/films', violations: 'gross: too large' },
          { violations: [{ field: 'rows[0].gross', description: 'too large' }] },
        )
      },
    })
    await assert.rejects(
      client.service(QueryService).get({}),
      failsWith({
        status: 'INVALID_ARGUMENT',
        reason: 'INVALID_ROW',
        message: 'row 0 does not fit table cinema/films: gross: too large',
        violations: [{ field: 'rows[0].gross', description: 'too large' }],
        details: { row: '0', table: 'cinema/films', violations: 'gross: too large' },
        retryAfterSeconds: undefined,
      }),
    )
  })

  it('tells of a retryable error when to try again', async () => {
    serveQuery({
      get: async () => {
        throw new BlastyError('LOG_FULL', { table: 'cinema/films' })
      },
    })
    await assert.rejects(
      client.service(QueryService).get({}),
      failsWith({ status: 'RESOURCE_EXHAUSTED', retryAfterSeconds: 1 }),
    )
  })

  it('tells nothing of an unknown error but an id, under which it is logged', async () => {
    const secret = new Error('password is hunter2')
    serveQuery({
      get: async () => {
        throw secret
      },
    })
    const error = await client
      .service(QueryService)
      .get({})
      .catch((caught: unknown) => caught)
    assert.ok(error instanceof RpcError)
    assert.equal(error.reason, 'INTERNAL')
    assert.doesNotMatch(`${error.message}${JSON.stringify(error.details)}`, /hunter2/)
    assert.deepEqual(logged.pop(), [error.details.id, '/blasty.v1.QueryService/Get', secret])
  })

  it('answers also when the error has more to tell than trailers may hold', async () => {
    const violations = Array.from({ length: 500 }, (_, i) => ({ field: `rows[${i}].ü`, description: '語'.repeat(400) }))
    serveQuery({
      get: async () => {
        throw new BlastyError('INVALID_ROW', { table: '語'.repeat(9000), row: 0, violations: 'x' }, { violations })
      },
    })
    const error = await client
      .service(QueryService)
      .get({})
      .catch((caught: unknown) => caught)
    assert.ok(error instanceof RpcError)
    assert.equal(error.reason, 'INVALID_ROW')
    assert.equal(error.violations[0]?.field, 'rows[0].ü')
    assert.ok(error.violations.length < 500)
  })

  it('refuses a message above the limit and names both sizes', async () => {
    server.add(MutationService, { write: async () => ({}), erase: unused, import: unused, ingest: unused })
    await assert.rejects(
      client.service(MutationService).write({ mutationId: 'x'.repeat(100_001) }),
      failsWith({ status: 'RESOURCE_EXHAUSTED', message: 'Received message larger than max (100005 vs 100000)' }),
    )
  })

  it('aborts the call when its deadline passes', async () => {
    const aborted = Promise.withResolvers<void>()
    serveQuery({
      get: async (_, { signal }) => {
        await once(signal, 'abort')
        aborted.resolve()
        throw signal.reason
      },
    })
    const call = client.service(QueryService).get({}, { timeoutMs: 50 })
    await assert.rejects(call, failsWith({ status: 'DEADLINE_EXCEEDED' }))
    await aborted.promise
    assert.deepEqual(logged, [])
  })

  it('tells a request that is no such message from an internal error', async () => {
    const raw = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure())
    const metadata = new Metadata()
    metadata.set('authorization', 'Bearer good')
    const asIs = (bytes: Buffer) => bytes
    const failure = await new Promise<unknown>(resolve => {
      const truncated = Buffer.from([0x0a, 0xff])
      raw.makeUnaryRequest('/blasty.v1.QueryService/Get', asIs, asIs, truncated, metadata, resolve)
    })
    raw.close()
    failsWith({ status: 'INVALID_ARGUMENT', message: 'request: is no blasty.v1.GetRequest' })(rpcError(failure))
  })

  it('serves services that come and go', async () => {
    serveQuery({ get: async () => ({}) })
    server.remove(QueryService)
    await assert.rejects(client.service(QueryService).get({}), failsWith({ status: 'UNIMPLEMENTED' }))
    server.add(QueryService, { query: unused, get: async () => ({}), batchGet: unused, list: unused })
    await client.service(QueryService).get({})
    server.add(QueryService, {
      query: unused,
      get: async () => ({ row: { revision: 2n } }),
      batchGet: unused,
      list: unused,
    })
    assert.equal((await client.service(QueryService).get({})).row?.revision, 2n)
  })
})

describe('a gRPC server that closes', () => {
  it('ends streams with SERVER_CLOSING and lets unary calls finish', async () => {
    const begun = Promise.withResolvers<void>()
    const finish = Promise.withResolvers<void>()
    const server = await startGrpcServer({
      address: '127.0.0.1:0',
      authenticate: async () => ({ user: 'alice', groups: [] }),
      log: { internalError: (_, __, error) => assert.fail(String(error)) },
    })
    server.add(QueryService, {
      async *query(_, { signal }) {
        yield {}
        await once(signal, 'abort')
        throw signal.reason
      },
      get: async () => {
        begun.resolve()
        await finish.promise
        return { row: { revision: 1n } }
      },
      batchGet: unused,
      list: unused,
    })
    const client = connect(`127.0.0.1:${server.port}`)
    const replies = client.service(QueryService).query({})[Symbol.asyncIterator]()
    await replies.next()
    const unary = client.service(QueryService).get({})
    await begun.promise
    const closed = server.close(10_000)
    await assert.rejects(Promise.resolve(replies.next()), failsWith({ reason: 'SERVER_CLOSING' }))
    finish.resolve()
    assert.equal((await unary).row?.revision, 1n)
    client.close()
    await closed
  })
})
