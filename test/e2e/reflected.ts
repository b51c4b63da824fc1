/** A client that knows nothing of Blasty: it finds a service by reflection and calls it with messages made at run time. */
import {
  create,
  createFileRegistry,
  type DescMethod,
  type DescService,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  toJson,
} from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import type { Connection } from '../../facade/grpc/client.ts'
import { ServerReflection } from '../../proto/gen/grpc/reflection/v1/reflection_pb.js'

/** Methods of a service by name, speaking protobuf's JSON form. */
export type Reflected = {
  readonly service: DescService
  readonly call: (method: string, request: JsonObject) => Promise<JsonObject>
  readonly stream: (method: string, request: JsonObject, signal: AbortSignal) => AsyncGenerator<JsonObject>
}

/** Names of all services that the server reflects to this caller. */
export async function reflectedServices(connection: Connection): Promise<string[]> {
  async function* ask() {
    yield { messageRequest: { case: 'listServices' as const, value: '' } }
  }
  for await (const { messageResponse } of connection.service(ServerReflection).serverReflectionInfo(ask())) {
    if (messageResponse.case === 'listServicesResponse') return messageResponse.value.service.map(({ name }) => name)
  }
  throw new Error('the server does not list its services')
}

export async function reflect(connection: Connection, name: string): Promise<Reflected> {
  async function* ask() {
    yield { messageRequest: { case: 'fileContainingSymbol' as const, value: name } }
  }
  for await (const { messageResponse } of connection.service(ServerReflection).serverReflectionInfo(ask())) {
    if (messageResponse.case !== 'fileDescriptorResponse') throw new Error(`${name} is not reflected`)
    const files = messageResponse.value.fileDescriptorProto.map(bytes => fromBinary(FileDescriptorProtoSchema, bytes))
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: files.reverse() }))
    const service = registry.getService(name)
    if (service !== undefined) return reflected(connection, service)
  }
  throw new Error(`${name} is not reflected`)
}

type Call = (request: Message) => Promise<Message>
type Stream = (request: Message, options: { signal: AbortSignal }) => AsyncIterable<Message>

function reflected(connection: Connection, service: DescService): Reflected {
  // What the functions take is known at run time only.
  const client = connection.service(service) as unknown as Readonly<Record<string, Call & Stream>>
  const found = (name: string): { readonly method: DescMethod; readonly function: Call & Stream } => {
    const method = service.methods.find(one => one.name === name)
    const one = method && client[method.localName]
    if (method === undefined || one === undefined) throw new Error(`${service.typeName} has no ${name}`)
    return { method, function: one }
  }
  const object = (json: JsonValue): JsonObject => {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new Error('a message is an object')
    return json
  }
  return {
    service,
    call: async (name, request) => {
      const { method, function: call } = found(name)
      return object(toJson(method.output, await call(fromJson(method.input, request))))
    },
    async *stream(name, request, signal) {
      const { method, function: call } = found(name)
      for await (const message of call(fromJson(method.input, request), { signal })) {
        yield object(toJson(method.output, message))
      }
    },
  }
}
