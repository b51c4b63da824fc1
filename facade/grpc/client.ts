/** A client for any service descriptor: promises for answers, async iterables for streams, errors with their details. */

import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import { rpcError } from './rpc-error.ts'
import { pump } from './streams.ts'

export type CallOptions = {
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

type Method = { methodKind: DescMethod['methodKind']; input: DescMessage; output: DescMessage }
type In<M extends Method> = MessageInitShape<M['input']>
type Out<M extends Method> = MessageShape<M['output']>

/** The function that calls one method. Failures are `RpcError`. Leaving a stream early cancels the call. */
export type Caller<M extends Method> = M extends { methodKind: 'unary' }
  ? (request: In<M>, options?: CallOptions) => Promise<Out<M>>
  : M extends { methodKind: 'server_streaming' }
    ? (request: In<M>, options?: CallOptions) => AsyncIterable<Out<M>>
    : M extends { methodKind: 'client_streaming' }
      ? (requests: AsyncIterable<In<M>>, options?: CallOptions) => Promise<Out<M>>
      : (requests: AsyncIterable<In<M>>, options?: CallOptions) => AsyncIterable<Out<M>>

export type ServiceClient<S extends Pick<DescService, 'method'>> = {
  readonly [Name in keyof S['method']]: Caller<S['method'][Name]>
}

export type Connection = {
  /** The client of one service over this connection. */
  readonly service: <S extends Pick<DescService, 'method' | 'methods' | 'typeName'>>(desc: S) => ServiceClient<S>
  readonly close: () => void
}

/** Connects on first use. `token` is sent as a bearer token with every call. */
export function connect(
  address: string,
  options: { readonly token?: string; readonly credentials?: grpc.ChannelCredentials; readonly channel?: object } = {},
): Connection {
  const client = new grpc.Client(address, options.credentials ?? grpc.credentials.createInsecure(), {
    'grpc.max_receive_message_length': 64 * 1024 * 1024,
    ...options.channel,
  })
  const metadata = new grpc.Metadata()
  if (options.token !== undefined) metadata.set('authorization', `Bearer ${options.token}`)
  return {
    service: <S extends Pick<DescService, 'method' | 'methods' | 'typeName'>>(desc: S) => {
      const callers = desc.methods.map(method => [method.localName, caller(client, desc, method, metadata)])
      // Each entry was built from the descriptor of that name.
      return Object.fromEntries(callers) as ServiceClient<S>
    },
    close: () => client.close(),
  }
}

const asIs = (bytes: Buffer): Buffer => bytes

function caller(
  client: grpc.Client,
  service: Pick<DescService, 'typeName'>,
  method: DescMethod,
  metadata: grpc.Metadata,
): unknown {
  const path = `/${service.typeName}/${method.name}`
  const encode = (message: unknown): Buffer =>
    Buffer.from(toBinary(method.input, create(method.input, message as MessageInitShape<DescMessage>)))
  const decode = (bytes: Buffer) => fromBinary(method.output, bytes)
  const callOptions = ({ timeoutMs }: CallOptions): grpc.CallOptions =>
    timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs }

  switch (method.methodKind) {
    case 'unary':
      return (request: unknown, options: CallOptions = {}) =>
        answered(options, done =>
          client.makeUnaryRequest(path, encode, asIs, request, metadata, callOptions(options), done),
        ).then(decode)
    case 'client_streaming':
      return (requests: AsyncIterable<unknown>, options: CallOptions = {}) =>
        answered(options, done => {
          const call = client.makeClientStreamRequest(path, asIs, asIs, metadata, callOptions(options), done)
          feed(requests, encode, call)
          return call
        }).then(decode)
    case 'server_streaming':
      return (request: unknown, options: CallOptions = {}) =>
        replies(
          () => client.makeServerStreamRequest(path, encode, asIs, request, metadata, callOptions(options)),
          decode,
          options,
        )
    case 'bidi_streaming':
      return (requests: AsyncIterable<unknown>, options: CallOptions = {}) =>
        replies(
          () => {
            const call = client.makeBidiStreamRequest(path, asIs, asIs, metadata, callOptions(options))
            feed(requests, encode, call)
            return call
          },
          decode,
          options,
        )
  }
}

/** The one answer to a call. */
function answered(
  { signal }: CallOptions,
  start: (done: grpc.requestCallback<Buffer>) => { cancel: () => void },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const call = start((error, bytes) => {
      signal?.removeEventListener('abort', cancel)
      if (error) reject(rpcError(error))
      else if (bytes) resolve(bytes)
      else reject(new TypeError('a call ended without error and without answer'))
    })
    const cancel = () => call.cancel()
    signal?.addEventListener('abort', cancel, { once: true })
  })
}

async function* replies<T>(
  start: () => grpc.ClientReadableStream<Buffer>,
  decode: (bytes: Buffer) => T,
  { signal }: CallOptions,
): AsyncGenerator<T> {
  signal?.throwIfAborted()
  const call = start()
  const cancel = () => call.cancel()
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    for await (const bytes of call) yield decode(bytes as Buffer)
  } catch (error) {
    throw rpcError(error)
  } finally {
    signal?.removeEventListener('abort', cancel)
    call.cancel()
  }
}

/** Sends requests as fast as the server takes them. A failure of theirs cancels the call. */
function feed(
  requests: AsyncIterable<unknown>,
  encode: (message: unknown) => Buffer,
  call: grpc.ClientWritableStream<Buffer>,
): void {
  const over = new AbortController()
  call.once('status', () => over.abort(new TypeError('the call is over')))
  pump(requests, encode, call, over.signal).then(
    () => call.end(),
    error => {
      // After the call's end its status tells what happened; before it, the requests themselves failed.
      if (!over.signal.aborted) call.destroy(error instanceof Error ? error : new Error(String(error)))
    },
  )
}
