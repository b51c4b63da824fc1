/** From a protobuf service descriptor and plain async functions to a service of grpc-js. */

import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import type * as grpc from '@grpc/grpc-js'
import { status } from '@grpc/grpc-js'
import { BlastyError } from '../../base/errors.ts'
import type {
  Authenticate,
  BidiHandler,
  CallContext,
  ClientStreamHandler,
  DynamicHandler,
  ServerStreamHandler,
  ServiceImplementation,
  UnaryHandler,
} from './context.ts'
import { Encoded } from './encoded.ts'
import { type ErrorLog, statusOf } from './status.ts'
import { decode, pump, requestsOf } from './streams.ts'

export type ServiceOptions = {
  readonly authenticate: Authenticate
  readonly log: ErrorLog
  /** Streams that are open, for the server to end when it closes. */
  readonly streams: Set<AbortController>
  /** Told of each call that ended, with its gRPC status code. */
  readonly observe?: ObserveCall
}

export type ObserveCall = (path: string, code: number, seconds: number) => void

type Call = Pick<grpc.ServerUnaryCall<Buffer, Buffer>, 'metadata' | 'getDeadline' | 'cancelled'> & {
  readonly once: (event: 'cancelled', listener: () => void) => unknown
}
type Reply = { readonly status: grpc.StatusObject } | { readonly bytes: Buffer }

/** What `Server.addService` of grpc-js takes. Messages cross grpc-js as bytes; this adapter encodes and decodes them. */
export function grpcService<S extends Pick<DescService, 'method' | 'methods' | 'typeName'>>(
  desc: S,
  implementation: ServiceImplementation<S>,
  options: ServiceOptions,
): { definition: grpc.ServiceDefinition; handlers: grpc.UntypedServiceImplementation } {
  const definition: Record<string, grpc.MethodDefinition<Buffer, Buffer>> = {}
  const handlers: grpc.UntypedServiceImplementation = {}
  const functions = implementation as Readonly<Record<string, DynamicHandler>>
  for (const method of desc.methods) {
    const handler = functions[method.localName]
    if (!handler) throw new TypeError(`${desc.typeName}.${method.localName} has no handler`)
    const definitionOfMethod = definitionOf(desc, method)
    definition[method.name] = definitionOfMethod
    handlers[method.name] = new MethodServer(method, definitionOfMethod.path, options).serve(handler)
  }
  return { definition, handlers }
}

const asIs = (bytes: Buffer): Buffer => bytes

function definitionOf(
  service: Pick<DescService, 'typeName'>,
  method: DescMethod,
): grpc.MethodDefinition<Buffer, Buffer> {
  return {
    path: `/${service.typeName}/${method.name}`,
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  }
}

/** Serves the calls of one method. */
class MethodServer {
  readonly #method: DescMethod
  readonly #path: string
  readonly #options: ServiceOptions
  readonly #open = new Set<AbortController>()

  constructor(method: DescMethod, path: string, options: ServiceOptions) {
    this.#method = method
    this.#path = path
    this.#options = options
  }

  /** The casts are sound: `methodKind` says which kind of function the descriptor's implementation holds. */
  serve(handler: DynamicHandler): grpc.UntypedHandleCall {
    switch (this.#method.methodKind) {
      case 'unary':
        return this.#unary(handler as UnaryHandler)
      case 'server_streaming':
        return this.#serverStream(handler as ServerStreamHandler)
      case 'client_streaming':
        return this.#clientStream(handler as ClientStreamHandler)
      case 'bidi_streaming':
        return this.#bidi(handler as BidiHandler)
    }
  }

  #unary(handler: UnaryHandler): grpc.handleUnaryCall<Buffer, Buffer> {
    return (call, callback) => {
      const controller = this.#follow(call)
      const reply = async () => {
        const context = await this.#contextOf(call, controller)
        return handler(decode(this.#method.input, call.request) as never, context)
      }
      void this.#answer(controller, reply).then(answer => send(answer, callback))
    }
  }

  #clientStream(handler: ClientStreamHandler): grpc.handleClientStreamingCall<Buffer, Buffer> {
    return (call, callback) => {
      const controller = this.#follow(call, true)
      const reply = async () => {
        const context = await this.#contextOf(call, controller)
        return handler(requestsOf(call, this.#method.input, controller.signal) as AsyncIterable<never>, context)
      }
      void this.#answer(controller, reply).then(answer => send(answer, callback))
    }
  }

  #serverStream(handler: ServerStreamHandler): grpc.handleServerStreamingCall<Buffer, Buffer> {
    return call => {
      const controller = this.#follow(call, true)
      const stream = async () => {
        const context = await this.#contextOf(call, controller)
        const replies = handler(decode(this.#method.input, call.request) as never, context)
        await pump(replies, this.#encode, call, controller.signal)
      }
      void this.#stream(call, controller, stream)
    }
  }

  #bidi(handler: BidiHandler): grpc.handleBidiStreamingCall<Buffer, Buffer> {
    return call => {
      const controller = this.#follow(call, true)
      const stream = async () => {
        const context = await this.#contextOf(call, controller)
        const requests = requestsOf(call, this.#method.input, controller.signal)
        await pump(handler(requests as AsyncIterable<never>, context), this.#encode, call, controller.signal)
      }
      void this.#stream(call, controller, stream)
    }
  }

  /** A controller that aborts with the call. grpc-js calls every call cancelled once it is over; that is no abort. */
  #follow(call: Call, stream = false): AbortController {
    const controller = new AbortController()
    if (stream) this.#options.streams.add(controller)
    this.#open.add(controller)
    call.once('cancelled', () => {
      if (this.#open.has(controller)) controller.abort(new BlastyError('CANCELLED'))
    })
    return controller
  }

  #over(controller: AbortController): void {
    this.#open.delete(controller)
    this.#options.streams.delete(controller)
  }

  async #contextOf(call: Call, controller: AbortController): Promise<CallContext> {
    const identity = await this.#options.authenticate(call.metadata)
    const deadline = Number(call.getDeadline())
    return { identity, signal: controller.signal, deadline, path: this.#path }
  }

  async #answer(controller: AbortController, reply: () => Promise<object>): Promise<Reply> {
    const began = performance.now()
    let code: number = status.OK
    try {
      return { bytes: this.#encode(await reply()) }
    } catch (error) {
      const failed = this.#failed(error, controller)
      code = failed.code
      return { status: failed }
    } finally {
      this.#over(controller)
      this.#options.observe?.(this.#path, code, (performance.now() - began) / 1000)
    }
  }

  async #stream(
    call: grpc.ServerWritableStream<Buffer, Buffer> | grpc.ServerDuplexStream<Buffer, Buffer>,
    controller: AbortController,
    stream: () => Promise<void>,
  ): Promise<void> {
    const began = performance.now()
    let code: number = status.OK
    try {
      await stream()
      call.end()
    } catch (error) {
      const failed = this.#failed(error, controller)
      code = failed.code
      // grpc-js ends a stream with a status by this event, after what was written before.
      if (!call.cancelled) call.emit('error', failed)
    } finally {
      this.#over(controller)
      this.#options.observe?.(this.#path, code, (performance.now() - began) / 1000)
    }
  }

  /** An AbortError that follows from the call's own signal stands for the reason of that signal. */
  #failed(error: unknown, { signal }: AbortController): grpc.StatusObject {
    const aborted = signal.aborted && error instanceof Error && error.name === 'AbortError'
    return statusOf(aborted ? signal.reason : error, this.#path, this.#options.log)
  }

  readonly #encode = (message: object): Buffer => {
    const bytes =
      message instanceof Encoded
        ? message.bytes
        : toBinary(this.#method.output, create(this.#method.output, message as MessageShape<DescMessage>))
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
}

function send(reply: Reply, callback: grpc.sendUnaryData<Buffer>): void {
  if ('bytes' in reply) callback(null, reply.bytes)
  else callback(reply.status)
}
