/** Import: rows as JSON texts, chunk by chunk, into any Table. */

import { BlastyError } from '../../base/errors.ts'
import { maxBatchRows } from '../../engine/log/writer.ts'
import { parsed } from '../../engine/schema/parsed.ts'
import type { Row } from '../../engine/schema/schema.ts'
import type { Table } from '../../engine/table.ts'
import type { ImportChunk, ImportRequest } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import type { CallContext } from '../grpc/context.ts'
import {
  checkImportId,
  checkNumber,
  maxChunksInFlight,
  misplaced,
  openedTable,
  runChunks,
  type Step,
  tokenBehind,
} from './pipeline.ts'
import type { Scope } from './scope.ts'
import type { Searchable } from './searchable.ts'
import { write } from './write.ts'

export async function* importRows(
  scope: Pick<Scope, 'table'>,
  searchable: Searchable,
  requests: AsyncIterable<ImportRequest>,
  context: CallContext,
) {
  const incoming = requests[Symbol.asyncIterator]()
  const first = await incoming.next()
  const open = first.done || first.value.message.case !== 'open' ? undefined : first.value.message.value
  if (open === undefined) throw misplaced('the first message must be open')
  const table = openedTable(scope, open.table, context)
  const opening = table()
  checkImportId(open.importId)
  yield {
    message: { case: 'opened' as const, value: { maxRowsPerChunk: maxBatchRows, maxChunksInFlight } },
  }
  const steps = runChunks(incoming, {
    prepare: (request: ImportRequest, number) => {
      const chunk = chunkOf(request, number)
      const served = table()
      const { rows, keys } = rowsOf(served.table, chunk)
      const changes = served.table.keyed ? rows.map(row => ({ op: 'put' as const, row })) : { append: rows }
      const placeOf = (index: number) => `chunk[${number}].rows_json[${index}]`
      const mutationId = `${open.importId}#${number}`
      return {
        rows: rows.length,
        bytes: chunk.rowsJson.reduce((sum, text) => sum + text.length, 0),
        keys,
        write: () => write({ served, changes, placeOf, mutationId, ackLevel: open.ackLevel }, context, searchable),
      }
    },
  })
  for await (const step of steps) yield { message: messageOf(step, total => tokenBehind(opening, total)) }
}

function messageOf(step: Step, tokenOf: (total: { readonly revision: number }) => ReturnType<typeof tokenBehind>) {
  switch (step.kind) {
    case 'ack': {
      const { number, revision, replayed } = step.ack
      return { case: 'ack' as const, value: { number, replayed, revision: BigInt(revision) } }
    }
    case 'progress': {
      const { rows, bytes } = step.total
      return { case: 'progress' as const, value: { rows: BigInt(rows), bytes: BigInt(bytes) } }
    }
    case 'end': {
      const { rows, chunks, replayed: replayedChunks } = step.total
      const token = tokenOf(step.total)
      return { case: 'summary' as const, value: { token, rows: BigInt(rows), chunks, replayedChunks } }
    }
  }
}

function chunkOf({ message }: ImportRequest, number: bigint): ImportChunk {
  if (message.case !== 'chunk') throw misplaced('only chunks may follow open')
  checkNumber(message.value.number, number)
  return message.value
}

/** The rows of a chunk and, on a keyed Table, their keys. */
function rowsOf(table: Table, { number, rowsJson }: ImportChunk): { readonly rows: Row[]; readonly keys: string[] } {
  if (rowsJson.length > maxBatchRows) {
    throw new BlastyError('BATCH_TOO_LARGE', { limit: maxBatchRows, unit: 'rows', actual: rowsJson.length })
  }
  const { codec, encodeKey } = table.schemas
  const rows = rowsJson.map((text, index) => {
    const place = `chunk[${number}].rows_json[${index}]`
    return codec.row(parsed(text, place), place)
  })
  return { rows, keys: table.keyed ? rows.map(row => encodeKey(row).toString('latin1')) : [] }
}
