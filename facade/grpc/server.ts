/** The gRPC server: listens, takes services that come and go, and closes without cutting off what can be finished. */

import type { DescService } from '@bufbuild/protobuf'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { BlastyError } from '../../base/errors.ts'
import { anonymous } from '../auth/identity.ts'
import { releaseClosedStreams } from './closed-streams.ts'
import type { Authenticate, ServiceImplementation } from './context.ts'
import { grpcService, type ObserveCall } from './service.ts'
import type { ErrorLog } from './status.ts'

/** Bytes of one request message; a greater one is answered RESOURCE_EXHAUSTED with both sizes. */
export const defaultMaxRequestBytes = 8 * 1024 * 1024

export type GrpcServerOptions = {
  /** `host:port`; port 0 takes a free one. */
  readonly address: string
  /** Plain text when unset. */
  readonly credentials?: ServerCredentials
  readonly authenticate: Authenticate
  readonly log: ErrorLog
  /** Told of each call that ended. */
  readonly observe?: ObserveCall
  readonly maxRequestBytes?: number
  /** Calls that one connection may have open. */
  readonly maxStreamsPerConnection?: number
}

export type GrpcServer = {
  readonly port: number
  /** Serves a service from now on, in place of an earlier one of that name. `open` asks for no credentials. */
  readonly add: <S extends ServedService>(
    desc: S,
    implementation: ServiceImplementation<S>,
    options?: { readonly open?: boolean },
  ) => void
  /** Ceases to serve it; calls under way go on. */
  readonly remove: (desc: ServedService) => void
  /** Takes no more calls, ends streams with SERVER_CLOSING, and cuts off what is left after `graceMs`. */
  readonly close: (graceMs?: number) => Promise<void>
}

/** A service descriptor, generated or built at run time. */
export type ServedService = Pick<DescService, 'method' | 'methods' | 'typeName'>

/** Starts listening. Rejects when the address cannot be bound. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const server = new Server({
    'grpc.max_receive_message_length': options.maxRequestBytes ?? defaultMaxRequestBytes,
    'grpc.max_concurrent_streams': options.maxStreamsPerConnection ?? 1000,
    // Nobody asks for them, and each call would be counted in four places.
    'grpc.enable_channelz': 0,
    // A client that vanished without a word is noticed, and its subscriptions end.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
  })
  const streams = new Set<AbortController>()
  const definitions = new Map<string, ReturnType<typeof grpcService>['definition']>()
  const port = await bind(server, options.address, options.credentials ?? ServerCredentials.createInsecure())
  const hold = releaseClosedStreams()

  const remove = (desc: ServedService) => {
    const definition = definitions.get(desc.typeName)
    if (definition) server.removeService(definition)
    definitions.delete(desc.typeName)
  }
  return {
    port,
    add(desc, implementation, { open = false } = {}) {
      const authenticate = open ? async () => anonymous : options.authenticate
      const { definition, handlers } = grpcService(desc, implementation, {
        authenticate,
        streams,
        log: options.log,
        ...(options.observe === undefined ? {} : { observe: options.observe }),
      })
      remove(desc)
      server.addService(definition, handlers)
      definitions.set(desc.typeName, definition)
    },
    remove,
    close: graceMs => close(server, streams, graceMs ?? 5000).finally(hold),
  }
}

function bind(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error) reject(error)
      else resolve(port)
    })
  })
}

function close(server: Server, streams: ReadonlySet<AbortController>, graceMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => server.forceShutdown(), graceMs)
    server.tryShutdown(error => {
      clearTimeout(timer)
      if (error) reject(error)
      else resolve()
    })
    for (const controller of streams) controller.abort(new BlastyError('SERVER_CLOSING'))
  })
}
