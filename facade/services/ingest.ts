/** Ingest: lines of JSON or text, in chunks cut anywhere, into Tables without a primary key. */

import { setImmediate as othersTurn } from 'node:timers/promises'
import { BlastyError } from '../../base/errors.ts'
import { jsonLines } from '../../engine/ingest/json-lines.ts'
import { type LineFormat, newline } from '../../engine/ingest/line-format.ts'
import { LineJoiner } from '../../engine/ingest/lines.ts'
import { textLines } from '../../engine/ingest/text-lines.ts'
import { RowPacker } from '../../engine/log/packed.ts'
import { parsed } from '../../engine/schema/parsed.ts'
import type { RowCodec } from '../../engine/schema/rows.ts'
import type { IngestChunk, IngestOpen, IngestRequest } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import type { CallContext } from '../grpc/context.ts'
import {
  checkImportId,
  checkNumber,
  maxBytesInFlight,
  maxChunksInFlight,
  misplaced,
  openedTable,
  type Prepared,
  runChunks,
  type Step,
  tokenBehind,
} from './pipeline.ts'
import type { Scope } from './scope.ts'
import type { Searchable } from './searchable.ts'
import { write } from './write.ts'

/** Bytes that are checked at a stretch; then other calls have their turn. */
const stretchBytes = 128 * 1024

export async function* ingestLines(
  scope: Pick<Scope, 'table'>,
  searchable: Searchable,
  requests: AsyncIterable<IngestRequest>,
  context: CallContext,
) {
  const incoming = requests[Symbol.asyncIterator]()
  const first = await incoming.next()
  const open = first.done || first.value.message.case !== 'open' ? undefined : first.value.message.value
  if (open === undefined) throw misplaced('the first message must be open')
  const table = openedTable(scope, open.table, context)
  const opening = table()
  if (opening.table.keyed) {
    const problem = 'the table has a primary key: use Import, or Write'
    throw new BlastyError('INVALID_ARGUMENT', { field: 'open.table', problem })
  }
  checkImportId(open.importId)
  const lines = new LineReader(open, opening.table.schemas.codec)
  yield {
    message: {
      case: 'opened' as const,
      value: { maxChunksInFlight, maxBytesInFlight: BigInt(maxBytesInFlight) },
    },
  }
  const prepared = (packer: RowPacker, bytes: number, number: bigint): Prepared => {
    const packed = packer.finish()
    const { rows } = packed
    if (rows === 0) return { rows, bytes, keys: [] }
    const request = {
      served: table(),
      changes: { packed },
      placeOf: () => `chunk[${number}]`,
      mutationId: `${open.importId}#${number}`,
      ackLevel: open.ackLevel,
    }
    return { rows, bytes, keys: [], write: () => write(request, context, searchable) }
  }
  const steps = runChunks(incoming, {
    prepare: async (request: IngestRequest, number) => {
      const { data } = chunkOf(request, number)
      const packer = new RowPacker()
      await lines.take(data, table().table.schemas.codec, packer)
      return prepared(packer, data.length, number)
    },
    rest: async number => {
      const packer = new RowPacker()
      await lines.finish(table().table.schemas.codec, packer)
      return packer.rows === 0 ? undefined : prepared(packer, 0, number)
    },
  })
  for await (const step of steps) {
    yield {
      message: messageOf(step, total => ({ token: tokenBehind(opening, total), emptyLines: BigInt(lines.empty) })),
    }
  }
}

/** Takes the lines of one call apart, under the schema that is in force when each chunk comes. */
class LineReader {
  readonly #joiner = new LineJoiner()
  readonly #formatOf: (codec: RowCodec) => LineFormat
  #codec: RowCodec
  #format: LineFormat
  #lines = 0
  #empty = 0

  /** Throws INVALID_ARGUMENT or INVALID_ROW for a format that does not fit the Table. */
  constructor(open: IngestOpen, codec: RowCodec) {
    this.#formatOf = formatOf(open)
    this.#codec = codec
    this.#format = this.#formatOf(codec)
  }

  /** Lines so far that held nothing. */
  get empty(): number {
    return this.#empty
  }

  async take(data: Uint8Array, codec: RowCodec, packer: RowPacker): Promise<void> {
    const chunk = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    await this.#pack(this.#joiner.push(chunk, this.#lines + 1), codec, packer)
  }

  async finish(codec: RowCodec, packer: RowPacker): Promise<void> {
    await this.#pack(this.#joiner.finish(), codec, packer)
  }

  async #pack(lines: Buffer, codec: RowCodec, packer: RowPacker): Promise<void> {
    if (codec !== this.#codec) {
      this.#codec = codec
      this.#format = this.#formatOf(codec)
    }
    for (let from = 0; from < lines.length; ) {
      if (from > 0) await othersTurn()
      const to = lines.indexOf(newline, Math.min(from + stretchBytes, lines.length - 1)) + 1
      const told = this.#format.pack(lines.subarray(from, to), packer, this.#lines + 1)
      this.#lines += told.lines
      this.#empty += told.empty
      from = to
    }
  }
}

function formatOf({ format }: IngestOpen): (codec: RowCodec) => LineFormat {
  switch (format.case) {
    case 'json':
      return jsonLines
    case 'text': {
      const { column, constantsJson } = format.value
      const constants = constantsJson === '' ? {} : parsed(constantsJson, 'open.text.constants_json')
      return codec => textLines(codec, { column, constants })
    }
    case undefined:
      throw new BlastyError('INVALID_ARGUMENT', { field: 'open.format', problem: 'json or text is required' })
  }
}

type End = { readonly token: ReturnType<typeof tokenBehind>; readonly emptyLines: bigint }

function messageOf(step: Step, end: (total: { readonly revision: number }) => End) {
  switch (step.kind) {
    case 'ack': {
      const { number, revision, rows, replayed } = step.ack
      return { case: 'ack' as const, value: { number, replayed, revision: BigInt(revision), rows: BigInt(rows) } }
    }
    case 'progress': {
      const { rows, bytes } = step.total
      return { case: 'progress' as const, value: { rows: BigInt(rows), bytes: BigInt(bytes) } }
    }
    case 'end': {
      const { rows, chunks, replayed: replayedChunks } = step.total
      return { case: 'summary' as const, value: { ...end(step.total), rows: BigInt(rows), chunks, replayedChunks } }
    }
  }
}

function chunkOf({ message }: IngestRequest, number: bigint): IngestChunk {
  if (message.case !== 'chunk') throw misplaced('only chunks may follow open')
  checkNumber(message.value.number, number)
  return message.value
}
