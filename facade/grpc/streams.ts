/** Messages between a grpc-js stream and async iterables, with back-pressure both ways. */

import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf'
import type { ServerReadableStream } from '@grpc/grpc-js'
import { BlastyError } from '../../base/errors.ts'

type Source = Pick<ServerReadableStream<Buffer, Buffer>, 'iterator'>
type Sink = {
  readonly write: (bytes: Buffer) => boolean
  readonly once: (event: 'drain', listener: () => void) => unknown
  readonly off: (event: 'drain', listener: () => void) => unknown
}

/** Parses a request. Throws INVALID_ARGUMENT when the bytes are no such message. */
export function decode<D extends DescMessage>(desc: D, bytes: Buffer): MessageShape<D> {
  try {
    return fromBinary(desc, bytes)
  } catch (cause) {
    throw new BlastyError('INVALID_ARGUMENT', { field: 'request', problem: `is no ${desc.typeName}` }, { cause })
  }
}

/** The requests of a client stream. Nothing more is read from the network than the consumer asks for, but for a few messages. */
export async function* requestsOf<D extends DescMessage>(
  source: Source,
  desc: D,
  signal: AbortSignal,
): AsyncGenerator<MessageShape<D>> {
  try {
    // The call must outlive its requests: a consumer that stops reading still answers.
    for await (const bytes of source.iterator({ destroyOnReturn: false })) yield decode(desc, bytes as Buffer)
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw error
  }
}

/** Writes every message, waiting whenever the client does not keep up. Ends the messages when the call is aborted. */
export async function pump<T>(
  messages: AsyncIterable<T>,
  encode: (message: T) => Buffer,
  sink: Sink,
  signal: AbortSignal,
): Promise<void> {
  for await (const message of messages) {
    signal.throwIfAborted()
    if (!sink.write(encode(message))) await drained(sink, signal)
  }
  signal.throwIfAborted()
}

/** Resolves when the sink takes more. grpc-js never drains a cancelled call, so the signal ends the wait too. */
function drained(sink: Sink, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onDrain = () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }
    const onAbort = () => {
      sink.off('drain', onDrain)
      reject(signal.reason)
    }
    sink.once('drain', onDrain)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
