/** Single messages of a stream, read from its leader, and erased for good. */

import { JetStreamApiError, type StoredMsg } from '@nats-io/jetstream'
import { BlastyError } from '../../base/errors.ts'
import { reason, type Streams } from './connect.ts'

/** `err_code` of the server (JSNoMessageFoundErr, JSStreamMsgDeleteFailedF): what is not there need not be erased. */
const notFound = new Set([10037, 10057])

/** The first message from a sequence on whose subject a filter lets through; null when there is none. */
export async function nextMessage(
  { admin }: Pick<Streams, 'admin'>,
  stream: string,
  subject: string,
  from: number,
): Promise<StoredMsg | null> {
  // The client's type knows the filter only for reads from any replica.
  const query = { seq: from, next_by_subj: subject }
  return asking(() => admin.streams.getMessage(stream, query))
}

/** Deletes messages and overwrites their bytes in the server's files (STREAM.MSG.DELETE). Those that are gone already are fine. */
export async function eraseMessages(
  { admin }: Pick<Streams, 'admin'>,
  stream: string,
  sequences: readonly number[],
): Promise<void> {
  for (const sequence of sequences) {
    try {
      await admin.streams.deleteMessage(stream, sequence, true)
    } catch (error) {
      if (error instanceof JetStreamApiError && notFound.has(error.code)) {
        if ((await asking(() => admin.streams.getMessage(stream, { seq: sequence }))) === null) continue
      }
      throw unavailable(error)
    }
  }
}

async function asking<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    throw unavailable(error)
  }
}

const unavailable = (cause: unknown) =>
  new BlastyError('BACKEND_UNAVAILABLE', { backend: 'streams server', problem: reason(cause) }, { cause })
