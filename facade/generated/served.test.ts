import assert from 'node:assert/strict'
import { it } from 'node:test'
import { create, createFileRegistry, fromBinary, fromJson, type Message, toJson } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import type { Row, TableSchema } from '../../engine/schema/schema.ts'
import { ServerReflection } from '../../proto/gen/grpc/reflection/v1/reflection_pb.js'
import { connect } from '../grpc/client.ts'
import { reflectionService } from '../grpc/reflection.ts'
import { ReflectionIndex } from '../grpc/reflection-index.ts'
import { startGrpcServer } from '../grpc/server.ts'
import { compileTableProto } from './table-proto.ts'

const schema: TableSchema = {
  number: 1,
  columns: [
    { name: 'id', type: 'String', required: true, field: 1 },
    { name: 'gross', type: 'Decimal', precision: 18, scale: 2, required: false, field: 2 },
    { name: 'tags', type: 'Array', items: { type: 'String' }, required: false, field: 3 },
    { name: 'first_shown', type: 'Timestamp', required: false, field: 4 },
  ],
  retired: [],
  primaryKey: ['id'],
}
const unused = async () => assert.fail('not called')

it('a client that knows only reflection writes and reads a typed row', async t => {
  const table = compileTableProto('cinema', 'films', schema)
  const index = new ReflectionIndex()
  const server = await startGrpcServer({
    address: '127.0.0.1:0',
    authenticate: async () => ({ user: 'alice', groups: [] }),
    log: { internalError: (_, __, error) => assert.fail(String(error)) },
  })
  const connection = connect(`127.0.0.1:${server.port}`)
  t.after(async () => {
    connection.close()
    await server.close(100)
  })
  let stored: Row = {}
  server.add(
    ServerReflection,
    reflectionService(index, () => true),
  )
  server.add(table.service, {
    put: async ({ row }: { row: Message }) => {
      stored = table.row.read(row, 'row')
      return { revision: 1n }
    },
    get: async ({ key }: { key: Message }) => {
      assert.deepEqual(table.key?.read(key, 'key'), { id: 'tt1' })
      return { row: table.row.write(stored), revision: 1n }
    },
    batchGet: unused,
    list: unused,
    delete: unused,
    watch: unused,
  })
  index.add(table.service)

  async function* ask() {
    const value = 'blasty.tables.cinema.v1.FilmsService'
    yield { messageRequest: { case: 'fileContainingSymbol' as const, value } }
  }
  let files: Uint8Array[] = []
  for await (const { messageResponse } of connection.service(ServerReflection).serverReflectionInfo(ask())) {
    assert.ok(messageResponse.case === 'fileDescriptorResponse')
    files = messageResponse.value.fileDescriptorProto
  }
  const file = files.map(bytes => fromBinary(FileDescriptorProtoSchema, bytes)).reverse()
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file }))
  const service = registry.getService(table.service.typeName)
  assert.ok(service?.method.put && service.method.get)

  const typed = {
    row: { id: 'tt1', gross: '12.50', tags: { values: ['a'] }, first_shown: '2026-01-31T12:00:00.000001Z' },
  }
  const client = connection.service(service) as unknown as Record<string, (request: Message) => Promise<Message>>
  await client.put?.(fromJson(service.method.put.input, typed))
  const answer = await client.get?.(fromJson(service.method.get.input, { key: { id: 'tt1' } }))
  assert.ok(answer)
  assert.deepEqual(toJson(service.method.get.output, answer), { ...typed, revision: '1' })
  assert.deepEqual(stored, { ...typed.row, tags: ['a'] })
})
