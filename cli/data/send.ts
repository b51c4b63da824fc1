/** Chunks on their way into a Table: sent while acks come in. */

import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Token } from '../../proto/gen/blasty/v1/common_pb.js'
import {
  type ImportRequestSchema,
  type IngestRequestSchema,
  MutationService,
} from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import type { Chunk } from './chunks.ts'
import type { Session } from './session.ts'

export type Done = {
  readonly rows: number
  readonly chunks: number
  readonly replayed: number
  readonly token: Token | undefined
}

/** Sends all chunks. `told` hears of rows and weight that are committed. */
export type Send = (
  session: Session,
  to: { readonly table: string; readonly importId: string },
  chunks: AsyncIterable<Chunk>,
  told: (rows: number, weight: number) => void,
) => Promise<Done>

/** Sends rows by Import, into any Table. */
export const sendRows: Send = async ({ service, table, signal }, { table: name, importId }, chunks, told) => {
  const { requests, taken } = numbered<MessageInitShape<typeof ImportRequestSchema>>(
    { message: { case: 'open', value: { table: table(name), importId } } },
    chunks,
    ({ content }, number) => ({
      message: { case: 'chunk', value: { number, rowsJson: Buffer.isBuffer(content) ? [] : [...content] } },
    }),
  )
  let rows = 0
  let weight = 0
  for await (const { message } of service(MutationService).import(requests, { signal })) {
    if (message.case === 'ack') {
      const chunk = taken(message.value.number)
      rows += chunk.rows
      weight += chunk.weight
      told(rows, weight)
    }
    if (message.case === 'summary') return doneOf(message.value)
  }
  throw new Error('the import ended without a summary')
}

/** Sends lines by Ingest, into a Table without a key: as text of a column, or as JSON. */
export const sendLines =
  (text: { readonly column: string; readonly constantsJson: string } | undefined): Send =>
  async ({ service, table, signal }, { table: name, importId }, chunks, told) => {
    const format =
      text === undefined ? { case: 'json' as const, value: {} } : { case: 'text' as const, value: { ...text } }
    const { requests, taken } = numbered<MessageInitShape<typeof IngestRequestSchema>>(
      { message: { case: 'open', value: { table: table(name), importId, format } } },
      chunks,
      ({ content }, number) => ({
        message: { case: 'chunk', value: { number, data: Buffer.isBuffer(content) ? content : Buffer.alloc(0) } },
      }),
    )
    let rows = 0
    let weight = 0
    for await (const { message } of service(MutationService).ingest(requests, { signal })) {
      if (message.case === 'ack') {
        rows += Number(message.value.rows)
        weight += taken(message.value.number).weight
        told(rows, weight)
      }
      if (message.case === 'summary') return doneOf(message.value)
    }
    throw new Error('the ingest ended without a summary')
  }

/** Numbers chunks on their way, and keeps what each weighs until its ack. */
function numbered<T>(open: T, chunks: AsyncIterable<Chunk>, message: (chunk: Chunk, number: bigint) => T) {
  const weights = new Map<bigint, { readonly weight: number; readonly rows: number }>()
  async function* requests() {
    yield open
    let number = 0n
    for await (const chunk of chunks) {
      number++
      weights.set(number, { weight: chunk.weight, rows: Buffer.isBuffer(chunk.content) ? 0 : chunk.content.length })
      yield message(chunk, number)
    }
  }
  const taken = (number: bigint) => {
    const chunk = weights.get(number)
    weights.delete(number)
    return chunk ?? { weight: 0, rows: 0 }
  }
  return { requests: requests(), taken }
}

function doneOf(summary: {
  readonly rows: bigint
  readonly chunks: bigint
  readonly replayedChunks: bigint
  readonly token?: Token | undefined
}): Done {
  const { rows, chunks, replayedChunks, token } = summary
  return { rows: Number(rows), chunks: Number(chunks), replayed: Number(replayedChunks), token }
}
