/** Atomic batches straight to the streams server, as fast as its client can: the limit that writing through the facade is held against. */

import { MsgHdrsImpl, type NatsConnection, nuid } from '@nats-io/nats-core'

export type RawMessage = { readonly subject: string; readonly data: Uint8Array }

/** Publishes all messages in batches of `size`, `inFlight` at once. Rejects when a batch is refused. */
export async function publishBatches(
  connection: NatsConnection,
  messages: readonly RawMessage[],
  size: number,
  inFlight: number,
): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < messages.length) {
      const from = next
      next += size
      await publishBatch(connection, messages.slice(from, from + size))
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
}

async function publishBatch(connection: NatsConnection, messages: readonly RawMessage[]): Promise<void> {
  const id = nuid.next()
  const headersOf = (sequence: number) => {
    const headers = new MsgHdrsImpl()
    headers.headers.set('Nats-Batch-Id', [id])
    headers.headers.set('Nats-Batch-Sequence', [String(sequence)])
    return headers
  }
  const last = messages.length - 1
  for (let i = 0; i < last; i++) {
    const message = messages[i]
    if (message) connection.publish(message.subject, message.data, { headers: headersOf(i + 1) })
  }
  const final = messages[last]
  if (final === undefined) return
  const headers = headersOf(last + 1)
  headers.headers.set('Nats-Batch-Commit', ['1'])
  const reply = await connection.request(final.subject, final.data, { headers, timeout: 10_000 })
  const { count, error } = reply.json<{ count?: number; error?: { description?: string } }>()
  if (count !== messages.length) throw new Error(`a raw batch was refused: ${error?.description ?? `count ${count}`}`)
}
