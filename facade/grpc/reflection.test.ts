import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { create, createFileRegistry, fromBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { CatalogService } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import { QueryService } from '../../proto/gen/blasty/v1/query_service_pb.js'
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
} from '../../proto/gen/grpc/reflection/v1/reflection_pb.js'
import { ServerReflection as ServerReflectionAlpha } from '../../proto/gen/grpc/reflection/v1alpha/reflection_pb.js'
import { type Connection, connect } from './client.ts'
import { reflectionService } from './reflection.ts'
import { ReflectionIndex } from './reflection-index.ts'
import { type GrpcServer, startGrpcServer } from './server.ts'

type Ask = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>['messageRequest']>

describe('the reflection service', () => {
  const index = new ReflectionIndex()
  let server: GrpcServer
  const connections: Connection[] = []

  before(async () => {
    server = await startGrpcServer({
      address: '127.0.0.1:0',
      authenticate: async metadata => ({ user: String(metadata.get('authorization')[0]), groups: [] }),
      log: { internalError: (_, __, error) => assert.fail(String(error)) },
    })
    const service = reflectionService(
      index,
      ({ user }, name) => user === 'Bearer admin' || name !== QueryService.typeName,
    )
    server.add(ServerReflection, service)
    server.add(ServerReflectionAlpha, service)
    for (const reflected of [ServerReflection, ServerReflectionAlpha, CatalogService, QueryService])
      index.add(reflected)
  })
  after(async () => {
    for (const connection of connections) connection.close()
    await server.close(100)
  })

  const ask = async (token: string, messageRequest: Ask) => {
    const connection = connect(`127.0.0.1:${server.port}`, { token })
    connections.push(connection)
    async function* requests(): AsyncGenerator<MessageInitShape<typeof ServerReflectionRequestSchema>> {
      yield { messageRequest }
    }
    for await (const answer of connection.service(ServerReflection).serverReflectionInfo(requests())) {
      return answer.messageResponse
    }
    return assert.fail('no answer')
  }
  const names = async (token: string) => {
    const answer = await ask(token, { case: 'listServices', value: '*' })
    return answer.case === 'listServicesResponse' ? answer.value.service.map(({ name }) => name) : assert.fail()
  }

  it('lists to each caller the services it may know', async () => {
    const common = [
      'blasty.v1.CatalogService',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
    ]
    assert.deepEqual(await names('guest'), common)
    assert.deepEqual(await names('admin'), [...common, 'blasty.v1.QueryService'].sort())
  })

  it('hides what a file of a hidden service declares, and no more', async () => {
    for (const symbol of ['blasty.v1.QueryService', 'blasty.v1.QueryService.Get', 'blasty.v1.GetRequest']) {
      const hidden = await ask('guest', { case: 'fileContainingSymbol', value: symbol })
      assert.equal(hidden.case, 'errorResponse', symbol)
      const shown = await ask('admin', { case: 'fileContainingSymbol', value: symbol })
      assert.equal(shown.case, 'fileDescriptorResponse', symbol)
    }
    const hidden = await ask('guest', { case: 'fileByFilename', value: 'blasty/v1/query_service.proto' })
    const missing = await ask('guest', { case: 'fileByFilename', value: 'blasty/v1/no.proto' })
    assert.deepEqual([hidden.case, missing.case], ['errorResponse', 'errorResponse'])
    const shared = await ask('guest', { case: 'fileContainingSymbol', value: 'blasty.v1.GeoPoint' })
    assert.equal(shared.case, 'fileDescriptorResponse')
  })

  it('gives a file with all it imports, enough to build a client from', async () => {
    const answer = await ask('admin', { case: 'fileContainingSymbol', value: 'blasty.v1.QueryService' })
    assert.ok(answer.case === 'fileDescriptorResponse')
    const file = answer.value.fileDescriptorProto.map(bytes => fromBinary(FileDescriptorProtoSchema, bytes)).reverse()
    assert.equal(file.at(-1)?.name, 'blasty/v1/query_service.proto')
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file }))
    assert.equal(registry.getService('blasty.v1.QueryService')?.method.get?.input.typeName, 'blasty.v1.GetRequest')
  })

  it('follows services that come and go', async () => {
    index.remove(CatalogService.typeName)
    assert.ok(!(await names('admin')).includes('blasty.v1.CatalogService'))
    index.add(CatalogService)
    assert.ok((await names('admin')).includes('blasty.v1.CatalogService'))
  })
})
