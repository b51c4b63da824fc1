/** Writing to a Table for a caller: checks, the log, and waiting for the level asked for. */

import { BlastyError, isBlastyError } from '../../base/errors.ts'
import type { ServedTable } from '../../directory/directory.ts'
import { blobColumns, type NewRow } from '../../engine/blobs/check.ts'
import { readMarker } from '../../engine/log/marker.ts'
import type { PackedRows } from '../../engine/log/packed.ts'
import type { Committed, RowChange, WriteOptions } from '../../engine/log/writer.ts'
import type { Row } from '../../engine/schema/schema.ts'
import type { Table } from '../../engine/table.ts'
import { AckLevel } from '../../proto/gen/blasty/v1/common_pb.js'
import type { CallContext } from '../grpc/context.ts'
import { archived } from './archived.ts'
import { type TimeLimit, timeLimit } from './scope.ts'
import type { Searchable } from './searchable.ts'
import { tokenOf } from './token.ts'

const maxMutationIdLength = 128
const defaultPatienceMillis = 30_000
const answerMillis = 20

export type WriteRequest = {
  readonly served: ServedTable
  /** Changes of a keyed Table, or rows to append to one without a key. */
  readonly changes: readonly RowChange[] | { readonly append: readonly Row[] } | { readonly packed: PackedRows }
  /** Where the row of a change stands in the request, such as `mutations[2]`. */
  readonly placeOf: (index: number) => string
  readonly mutationId: string
  readonly ackLevel: AckLevel
}

export type Written = Committed & { readonly token: ReturnType<typeof tokenOf>; readonly ackLevel: AckLevel }

/**
 * Writes one batch. When the deadline passes while waiting for the level, what is committed is answered with the level reached.
 * @throws the errors of the log's writer; BLOB_NOT_STORED; INVALID_ARGUMENT
 */
export async function write(request: WriteRequest, context: CallContext, searchable: Searchable): Promise<Written> {
  const { served, changes, placeOf, mutationId, ackLevel } = request
  const { table } = served
  if (mutationId.length > maxMutationIdLength || !mutationId.isWellFormed()) {
    throw new BlastyError('INVALID_ARGUMENT', {
      field: 'mutation_id',
      problem: `must be at most ${maxMutationIdLength} characters of Unicode`,
    })
  }
  await table.beforeWrite()
  using limit = writeLimit(table, context)
  const { signal } = limit
  const options = {
    principal: context.identity.user,
    schema: table.schemas.current.number,
    signal,
    ...(mutationId === '' ? {} : { mutationId }),
  }
  // An append-only Table has no blobs, and most others have none either.
  if (!('append' in changes || 'packed' in changes) && blobColumns(table.schemas.current).length > 0) {
    const rows = changes.flatMap(({ op, row }, index) => (op === 'put' ? [{ row, place: placeOf(index) }] : []))
    await checkBlobs(table, rows, options, limit)
  }
  const writing =
    'append' in changes
      ? table.writer.append(changes.append, options)
      : 'packed' in changes
        ? table.writer.appendPacked(changes.packed, options)
        : table.writer.write(changes, options)
  const committed = await inTime(limit, writing)
  const wait = ackLevel === AckLevel.SEARCHABLE ? searchable : ackLevel === AckLevel.ARCHIVED ? archived : undefined
  const reached = (await wait?.(served, committed.revision, signal)) === true ? ackLevel : AckLevel.REPLICATED
  return { ...committed, token: tokenOf(table, committed.revision), ackLevel: reached }
}

/** How long a write may take. Not the caller's own signal: a batch that was sent must be accounted for even when the caller has left. */
export function writeLimit(
  { closing }: Pick<Table, 'closing'>,
  { deadline }: Pick<CallContext, 'deadline'>,
): TimeLimit {
  return timeLimit(Math.min(defaultPatienceMillis, Math.max(1, deadline - Date.now() - answerMillis)), closing)
}

/** What a writer was asked for under that limit. Throws BACKEND_UNAVAILABLE when its time has passed. */
export async function inTime<T>(limit: TimeLimit, writing: Promise<T>): Promise<T> {
  try {
    return await writing
  } catch (error) {
    if (!limit.passed || error !== limit.signal.reason) throw error
    // The writer says OUTCOME_UNKNOWN when something may have been stored; this is the other case.
    const problem = 'it did not take the write in time; nothing was written'
    throw new BlastyError('BACKEND_UNAVAILABLE', { backend: 'streams server', problem }, { cause: error })
  }
}

async function checkBlobs(
  table: Table,
  rows: readonly NewRow[],
  { principal, mutationId, signal }: WriteOptions,
  limit: TimeLimit,
): Promise<void> {
  try {
    await table.blobCheck.check(table.schemas.current, rows, signal)
  } catch (error) {
    if (limit.passed && error === signal.reason) {
      const problem = 'it did not say in time whether the blobs are there; nothing was written'
      throw new BlastyError('BACKEND_UNAVAILABLE', { backend: 'object store', problem }, { cause: error })
    }
    // A write that was committed is answered as it was then, however old its blobs are now. The log will refuse to store it again.
    if (mutationId === undefined || !isBlastyError(error, 'BLOB_NOT_STORED')) throw error
    if ((await readMarker(table.log, table.log.subjects.marker(principal, mutationId))) === undefined) throw error
  }
}
