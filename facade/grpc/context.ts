/** What a service implementation knows of the call it serves, and the shape of such an implementation. */

import type { DescMessage, DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import type { Metadata } from '@grpc/grpc-js'
import type { Identity } from '../auth/identity.ts'

/** The call being served. */
export type CallContext = {
  readonly identity: Identity
  /**
   * Aborted when the client leaves, the deadline passes or the server closes. A stream must end soon after, best by throwing
   * `signal.reason`; what it throws then is answered if the client is still there.
   */
  readonly signal: AbortSignal
  /** Milliseconds since 1970 at which the client gives up; `Infinity` without a deadline. */
  readonly deadline: number
  /** Full method path, `/package.Service/Method`. */
  readonly path: string
}

/** Finds out who calls. Rejects with UNAUTHENTICATED, or BACKEND_UNAVAILABLE when that cannot be told. */
export type Authenticate = (metadata: Metadata) => Promise<Identity>

type In<M extends { input: DescMessage }> = MessageShape<M['input']>
type Out<M extends { output: DescMessage }> = MessageInitShape<M['output']>

/** The function that serves one method; messages may be returned as plain objects. */
export type Handler<M extends { methodKind: DescMethod['methodKind']; input: DescMessage; output: DescMessage }> =
  M extends { methodKind: 'unary' }
    ? (request: In<M>, context: CallContext) => Promise<Out<M>>
    : M extends { methodKind: 'server_streaming' }
      ? (request: In<M>, context: CallContext) => AsyncIterable<Out<M>>
      : M extends { methodKind: 'client_streaming' }
        ? (requests: AsyncIterable<In<M>>, context: CallContext) => Promise<Out<M>>
        : M extends { methodKind: 'bidi_streaming' }
          ? (requests: AsyncIterable<In<M>>, context: CallContext) => AsyncIterable<Out<M>>
          : DynamicHandler

/** A handler of a method known only at run time; `methodKind` of its descriptor decides how it is called. */
export type DynamicHandler = UnaryHandler | ServerStreamHandler | ClientStreamHandler | BidiHandler

export type UnaryHandler = (request: never, context: CallContext) => Promise<object>
export type ServerStreamHandler = (request: never, context: CallContext) => AsyncIterable<object>
export type ClientStreamHandler = (requests: AsyncIterable<never>, context: CallContext) => Promise<object>
export type BidiHandler = (requests: AsyncIterable<never>, context: CallContext) => AsyncIterable<object>

/** A whole service: one function a method, by the method's name in camelCase. */
export type ServiceImplementation<S extends Pick<DescService, 'method'>> = {
  readonly [Name in keyof S['method']]: Handler<S['method'][Name]>
}
