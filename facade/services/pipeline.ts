/** Many rows in one call: chunks that are written while the next ones are read, acknowledged in their order. */

import { BlastyError } from '../../base/errors.ts'
import type { ServedTable } from '../../directory/directory.ts'
import type { TableRef } from '../../proto/gen/blasty/v1/common_pb.js'
import type { CallContext } from '../grpc/context.ts'
import type { Scope } from './scope.ts'
import { tokenOf } from './token.ts'

/** Chunks of one call that may wait for the log; the streams server takes fifty batches of all writers together. */
export const maxChunksInFlight = 8
/** Bytes of one call that may wait for the log; a chunk that goes beyond is still taken. */
export const maxBytesInFlight = 32 * 1024 * 1024
const maxImportIdLength = 100
const progressMillis = 1000

/** A chunk that is checked and may be written. */
export type Prepared = {
  readonly rows: number
  /** Bytes received, about what it takes in memory. */
  readonly bytes: number
  /** Keys of its rows on a keyed Table: one that holds a row of another waits until that is stored. */
  readonly keys: readonly string[]
  /** Writes it; unset for one without rows. */
  readonly write?: () => Promise<{ readonly revision: number; readonly replayed: boolean }>
}

export type Chunks<Request> = {
  /** Checks a request; `number` is that of the chunk it must hold. */
  readonly prepare: (request: Request, number: bigint) => Prepared | Promise<Prepared>
  /** What is left to write when the requests have ended; `number` is that of the chunk it would be. */
  readonly rest?: (number: bigint) => Promise<Prepared | undefined>
}

export type Total = { rows: number; bytes: number; chunks: bigint; replayed: bigint; revision: number }
export type Ack = {
  readonly number: bigint
  readonly revision: number
  readonly rows: number
  readonly replayed: boolean
}
export type Step =
  | { readonly kind: 'ack'; readonly ack: Ack }
  | { readonly kind: 'progress' | 'end'; readonly total: Readonly<Total> }

type Written = Ack & Pick<Prepared, 'keys' | 'bytes'>

/**
 * Writes all chunks of a call; the last step is `end`. Nothing more is read while too much is under way. The first chunk that
 * is refused ends it: those acknowledged before stay, those behind it that have not begun are not written.
 */
export async function* runChunks<Request>(
  incoming: AsyncIterator<Request>,
  chunks: Chunks<Request>,
): AsyncGenerator<Step> {
  const waiting: Promise<Written>[] = []
  /** Keys of rows under way, with the last chunk that holds each. */
  const flying = new Map<string, bigint>()
  const total: Total = { rows: 0, bytes: 0, chunks: 0n, replayed: 0n, revision: 0 }
  let bytesInFlight = 0
  let told = performance.now()
  const nextNumber = () => total.chunks + BigInt(waiting.length) + 1n
  // A read that is under way when the call fails ends with it; nobody waits for it then.
  const read = () => {
    const result = incoming.next()
    result.catch(() => {})
    return result
  }
  const start = (prepared: Prepared) => {
    const { keys, bytes } = prepared
    const number = nextNumber()
    total.bytes += bytes
    bytesInFlight += bytes
    // Chunks under way may be stored in any order.
    const before = keys.some(key => flying.has(key)) ? Promise.all(waiting) : undefined
    for (const key of keys) flying.set(key, number)
    const written = writeChunk(number, prepared, before)
    written.catch(() => {}) // Told in its turn, or not at all when an earlier chunk fails.
    waiting.push(written)
  }
  let next: ReturnType<typeof read> | undefined = read()
  while (next !== undefined || waiting.length > 0) {
    const [oldest] = waiting
    const room = waiting.length < maxChunksInFlight && bytesInFlight < maxBytesInFlight
    const turn = await Promise.race([
      ...(next !== undefined && room ? [next.then(result => ({ result }))] : []),
      ...(oldest === undefined ? [] : [oldest.then(written => ({ written }))]),
    ])
    if ('written' in turn) {
      const { keys, bytes, ...ack } = turn.written
      void waiting.shift()
      bytesInFlight -= bytes
      for (const key of keys) if (flying.get(key) === ack.number) flying.delete(key)
      total.rows += ack.rows
      total.chunks++
      if (ack.replayed) total.replayed++
      total.revision = Math.max(total.revision, ack.revision)
      yield { kind: 'ack', ack }
      if (performance.now() - told > progressMillis) {
        told = performance.now()
        yield { kind: 'progress', total }
      }
    } else if (turn.result.done) {
      next = undefined
      const rest = await chunks.rest?.(nextNumber())
      if (rest !== undefined) start(rest)
    } else {
      start(await chunks.prepare(turn.result.value, nextNumber()))
      next = read()
    }
  }
  yield { kind: 'end', total }
}

async function writeChunk(
  number: bigint,
  { rows, keys, bytes, write }: Prepared,
  before: Promise<unknown> | undefined,
): Promise<Written> {
  if (before !== undefined) await before
  const { revision, replayed } = (await write?.()) ?? { revision: 0, replayed: false }
  return { number, revision, replayed, rows, keys, bytes }
}

/**
 * The Table of a call that may be long, to be asked for again with each chunk: as it is served then, to whom may still write to it.
 * @throws TABLE_NOT_FOUND when another Table has taken its place
 */
export function openedTable(
  scope: Pick<Scope, 'table'>,
  ref: TableRef | undefined,
  context: CallContext,
): () => ServedTable {
  const opening = scope.table(context.identity, ref, 'open.table', 'Put')
  const { uid } = opening.table.descriptor
  return () => {
    const served = scope.table(context.identity, ref, 'open.table', 'Put')
    if (served.table.descriptor.uid === uid) return served
    throw new BlastyError('TABLE_NOT_FOUND', { table: `${opening.table.log.table} of this import` })
  }
}

/** Throws INVALID_ARGUMENT for an id that no call may have. */
export function checkImportId(id: string): void {
  if (id.length > 0 && id.length <= maxImportIdLength && id.isWellFormed()) return
  throw new BlastyError('INVALID_ARGUMENT', {
    field: 'open.import_id',
    problem: `must be 1 to ${maxImportIdLength} characters`,
  })
}

/** Throws INVALID_ARGUMENT unless the chunk has the number that is next. */
export function checkNumber(actual: bigint, expected: bigint): void {
  if (actual === expected) return
  const problem = `chunk ${expected} was expected, not ${actual}`
  throw new BlastyError('INVALID_ARGUMENT', { field: 'chunk.number', problem })
}

/** For a message that does not stand where it may. */
export const misplaced = (problem: string) => new BlastyError('INVALID_ARGUMENT', { field: 'message', problem })

/** The position behind all that was written. */
export function tokenBehind({ table }: ServedTable, { revision }: Pick<Total, 'revision'>) {
  return revision === 0 ? { tables: [] } : tokenOf(table, revision)
}
