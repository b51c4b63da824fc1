import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Health, HealthCheckResponse_ServingStatus as Status } from '../../proto/gen/grpc/health/v1/health_pb.js'
import { type Connection, connect } from './client.ts'
import { HealthStatus } from './health.ts'
import { RpcError } from './rpc-error.ts'
import { type GrpcServer, startGrpcServer } from './server.ts'

describe('the health service', () => {
  const health = new HealthStatus()
  let server: GrpcServer
  let connection: Connection

  before(async () => {
    server = await startGrpcServer({
      address: '127.0.0.1:0',
      authenticate: () => assert.fail('health asks for no credentials'),
      log: { internalError: (_, __, error) => assert.fail(String(error)) },
    })
    server.add(Health, health.implementation(), { open: true })
    connection = connect(`127.0.0.1:${server.port}`)
  })
  after(async () => {
    connection.close()
    await server.close(100)
  })

  it('tells whether the server and each service are serving', async () => {
    const client = connection.service(Health)
    health.set('', true)
    health.set('blasty.v1.QueryService', false)
    assert.equal((await client.check({})).status, Status.SERVING)
    assert.equal((await client.check({ service: 'blasty.v1.QueryService' })).status, Status.NOT_SERVING)
    assert.deepEqual(Object.keys((await client.list({})).statuses), ['', 'blasty.v1.QueryService'])
    await assert.rejects(
      client.check({ service: 'other' }),
      (error: unknown) => error instanceof RpcError && error.status === 'NOT_FOUND',
    )
  })

  it('tells a watcher the status now and every change after, also of a service not known yet', async () => {
    const seen: Status[] = []
    for await (const { status } of connection.service(Health).watch({ service: 'late' })) {
      seen.push(status)
      if (seen.length === 1) health.set('late', true)
      if (seen.length === 2) health.set('late', false)
      if (seen.length === 3) break
    }
    assert.deepEqual(seen, [Status.SERVICE_UNKNOWN, Status.SERVING, Status.NOT_SERVING])
  })
})
