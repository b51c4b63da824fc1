/** MutationService: atomic batches, and imports as a pipeline of them. */

import { BlastyError } from '../../base/errors.ts'
import type { ServedTable } from '../../directory/directory.ts'
import { maxBatchRows, type RowChange } from '../../engine/log/writer.ts'
import type { Row } from '../../engine/schema/schema.ts'
import type { Table } from '../../engine/table.ts'
import type {
  ImportChunk,
  ImportOpen,
  ImportRequest,
  Mutation,
  MutationService,
} from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import type { Action } from '../auth/policy.ts'
import type { CallContext, ServiceImplementation } from '../grpc/context.ts'
import { appendOnly, conditionOf } from './condition.ts'
import { parsed } from './json.ts'
import type { Scope } from './scope.ts'
import type { Searchable } from './searchable.ts'
import { tokenOf } from './token.ts'
import { write } from './write.ts'

/** Chunks of one import that may wait for the log; the streams server takes fifty batches of all writers together. */
const maxChunksInFlight = 8
const maxImportIdLength = 100
const progressMillis = 1000

export function mutationService(
  scope: Pick<Scope, 'table'>,
  searchable: Searchable,
): ServiceImplementation<typeof MutationService> {
  return {
    async write({ table: ref, mutations, mutationId, ackLevel }, context) {
      const served = scope.table(context.identity, ref, 'table', ...actionsOf(mutations))
      const changes = changesOf(served, mutations)
      const placeOf = (index: number) => `mutations[${index}]`
      const written = await write({ served, changes, placeOf, mutationId, ackLevel }, context, searchable)
      const { token, replayed, ackLevel: reached } = written
      return {
        token,
        replayed,
        ackLevel: reached,
        revision: BigInt(written.revision),
        firstRevision: BigInt(written.first),
      }
    },
    import: (requests, context) => importRows(scope, searchable, requests, context),
  }
}

function actionsOf(mutations: readonly Mutation[]): [Action, ...Action[]] {
  if (mutations.length > maxBatchRows) {
    throw new BlastyError('BATCH_TOO_LARGE', { limit: maxBatchRows, unit: 'mutations', actual: mutations.length })
  }
  const deletes = mutations.some(({ operation }) => operation.case === 'deleteKeyJson')
  const puts = mutations.some(({ operation }) => operation.case === 'putRowJson')
  return deletes ? (puts ? ['Put', 'Delete'] : ['Delete']) : ['Put']
}

function changesOf({ table }: ServedTable, mutations: readonly Mutation[]): RowChange[] | { append: Row[] } {
  const changes = mutations.map((mutation, index) => changeOf(table, mutation, `mutations[${index}]`))
  if (table.keyed) return changes
  for (const [index, { op, condition }] of changes.entries()) {
    if (op === 'delete') throw appendOnly(`mutations[${index}].delete_key_json`)
    if (condition !== undefined) throw appendOnly(`mutations[${index}].condition`)
  }
  return { append: changes.map(({ row }) => row) }
}

function changeOf({ schemas: { codec } }: Table, { operation, condition }: Mutation, place: string): RowChange {
  const when = conditionOf(condition, `${place}.`)
  const base = when === undefined ? {} : { condition: when }
  switch (operation.case) {
    case 'putRowJson':
      return { op: 'put', row: codec.row(parsed(operation.value, place), place), ...base }
    case 'deleteKeyJson':
      return { op: 'delete', row: codec.key(parsed(operation.value, place), place), ...base }
    case undefined:
      throw new BlastyError('INVALID_ARGUMENT', {
        field: place,
        problem: 'put_row_json or delete_key_json is required',
      })
  }
}

type Ack = {
  readonly number: bigint
  readonly revision: number
  readonly keys: readonly string[]
  readonly rows: number
  readonly replayed: boolean
}

async function* importRows(
  scope: Pick<Scope, 'table'>,
  searchable: Searchable,
  requests: AsyncIterable<ImportRequest>,
  context: CallContext,
) {
  const incoming = requests[Symbol.asyncIterator]()
  const first = await incoming.next()
  const open = first.done || first.value.message.case !== 'open' ? undefined : first.value.message.value
  if (open === undefined)
    throw new BlastyError('INVALID_ARGUMENT', { field: 'message', problem: 'the first message must be open' })
  const opening = scope.table(context.identity, open.table, 'open.table', 'Put')
  const { uid } = opening.table.descriptor
  /** The Table as it is served now, to whom may still write to it: an import may be long. */
  const current = () => {
    const served = scope.table(context.identity, open.table, 'open.table', 'Put')
    if (served.table.descriptor.uid === uid) return served
    throw new BlastyError('TABLE_NOT_FOUND', { table: `${opening.table.log.table} of this import` })
  }
  checkImportId(open.importId)
  yield opened()

  const waiting: Promise<Ack>[] = []
  /** Keys of rows under way, with the last chunk that holds each. */
  const flying = new Map<string, bigint>()
  const total = { rows: 0, bytes: 0, chunks: 0n, replayed: 0n, revision: 0 }
  let told = performance.now()
  // A read that is under way when the import fails ends with the call; nobody waits for it then.
  const read = () => {
    const result = incoming.next()
    result.catch(() => {})
    return result
  }
  let next: ReturnType<typeof read> | undefined = read()
  while (next !== undefined || waiting.length > 0) {
    const [oldest] = waiting
    const turn = await Promise.race([
      ...(next !== undefined && waiting.length < maxChunksInFlight ? [next.then(result => ({ result }))] : []),
      ...(oldest === undefined ? [] : [oldest.then(ack => ({ ack }))]),
    ])
    if ('ack' in turn) {
      waiting.shift()
      for (const key of turn.ack.keys) if (flying.get(key) === turn.ack.number) flying.delete(key)
      total.rows += turn.ack.rows
      total.chunks++
      if (turn.ack.replayed) total.replayed++
      total.revision = Math.max(total.revision, turn.ack.revision)
      const { number, revision, replayed } = turn.ack
      yield { message: { case: 'ack' as const, value: { number, replayed, revision: BigInt(revision) } } }
      if (performance.now() - told > progressMillis) {
        told = performance.now()
        yield {
          message: { case: 'progress' as const, value: { rows: BigInt(total.rows), bytes: BigInt(total.bytes) } },
        }
      }
    } else if (turn.result.done) {
      next = undefined
    } else {
      const chunk = chunkOf(turn.result.value, total.chunks + BigInt(waiting.length) + 1n)
      for (const row of chunk.rowsJson) total.bytes += row.length
      const served = current()
      const { rows, keys } = rowsOf(served.table, chunk)
      // Chunks under way may be stored in any order: one that holds a row of another waits until that is stored.
      const before = keys.some(key => flying.has(key)) ? Promise.all(waiting) : undefined
      for (const key of keys) flying.set(key, chunk.number)
      const ack = writeChunk({ served, open, number: chunk.number, rows, keys, before }, context, searchable)
      ack.catch(() => {}) // Told in its turn, or not at all when an earlier chunk fails.
      waiting.push(ack)
      next = read()
    }
  }
  const token = total.revision === 0 ? { tables: [] } : tokenOf(opening.table, total.revision)
  const { chunks, replayed: replayedChunks } = total
  yield { message: { case: 'summary' as const, value: { token, rows: BigInt(total.rows), chunks, replayedChunks } } }
}

const opened = () => ({
  message: { case: 'opened' as const, value: { maxRowsPerChunk: maxBatchRows, maxChunksInFlight } },
})

function checkImportId(id: string): void {
  if (id.length > 0 && id.length <= maxImportIdLength && id.isWellFormed()) return
  throw new BlastyError('INVALID_ARGUMENT', {
    field: 'open.import_id',
    problem: `must be 1 to ${maxImportIdLength} characters`,
  })
}

function chunkOf({ message }: ImportRequest, number: bigint): ImportChunk {
  if (message.case !== 'chunk') {
    throw new BlastyError('INVALID_ARGUMENT', { field: 'message', problem: 'only chunks may follow open' })
  }
  if (message.value.number !== number) {
    const problem = `chunk ${number} was expected, not ${message.value.number}`
    throw new BlastyError('INVALID_ARGUMENT', { field: 'chunk.number', problem })
  }
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

type Chunk = {
  readonly served: ServedTable
  readonly open: ImportOpen
  readonly number: bigint
  readonly rows: readonly Row[]
  readonly keys: readonly string[]
  readonly before: Promise<unknown> | undefined
}

async function writeChunk(chunk: Chunk, context: CallContext, searchable: Searchable): Promise<Ack> {
  const { served, open, number, rows, keys, before } = chunk
  if (before !== undefined) await before
  const changes = served.table.keyed ? rows.map(row => ({ op: 'put' as const, row })) : { append: rows }
  const placeOf = (index: number) => `chunk[${number}].rows_json[${index}]`
  const mutationId = `${open.importId}#${number}`
  const { revision, replayed } = await write(
    { served, changes, placeOf, mutationId, ackLevel: open.ackLevel },
    context,
    searchable,
  )
  return { number, revision, keys, rows: rows.length, replayed }
}
