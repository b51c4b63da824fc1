/** Reading rows by key: one, many at one revision, and pages of a range. */

import { setImmediate } from 'node:timers/promises'
import { BlastyError } from '../../base/errors.ts'
import type { StoredRow } from '../../engine/replica/change.ts'
import type { TableReplica } from '../../engine/replica/replica.ts'
import type { RowSnapshot } from '../../engine/replica/row-store.ts'
import { type KeyBounds, type KeyRange, keyRange } from '../../engine/schema/key-range.ts'
import type { Table } from '../../engine/table.ts'
import type { CallContext } from '../grpc/context.ts'
import { type PageCursor, pageCursor, pageToken, sameRange } from './page-token.ts'
import type { Viewed } from './row-view.ts'
import { patiently } from './scope.ts'
import type { Snapshots } from './snapshots.ts'
import { type TokenMessage, tokenOf, wantedRevision } from './token.ts'

const maxKeys = 1000
const defaultPageSize = 100
const maxPageSize = 1000
const maxPageBytes = 2 * 1024 * 1024
/** Bytes of the rows of one answer that the caller did not ask for by pages. */
const maxAnswerBytes = 32 * 1024 * 1024

/** Throws INVALID_ARGUMENT for none, or too many. */
export function checkKeyCount(count: number, field: string): void {
  if (count > 0 && count <= maxKeys) return
  throw new BlastyError('INVALID_ARGUMENT', { field, problem: `must hold 1 to ${maxKeys} keys` })
}

/** The replica, once its rows are as new as the token. */
async function replicaAt(table: Table, minToken: TokenMessage, context: CallContext): Promise<TableReplica> {
  const wanted = wantedRevision(minToken, table)
  return (
    table.alreadyReached(wanted) ??
    (await patiently(context, `table ${table.log.table}`, wanted, signal => table.reached(wanted, 'rows', signal)))
  )
}

/** What the caller sees of the rows with these keys, all as of one revision. Throws BATCH_TOO_LARGE when they are too many bytes for one answer. */
export async function rowsAt(
  { table, view }: Viewed,
  keys: readonly Buffer[],
  minToken: TokenMessage,
  context: CallContext,
): Promise<{ readonly rows: (StoredRow | undefined)[]; readonly token: ReturnType<typeof tokenOf> }> {
  const replica = await replicaAt(table, minToken, context)
  // Nothing is awaited from here on, so nothing changes between the first row and the last.
  let bytes = 0
  const rows = keys.map(key => {
    const stored = replica.get(key)
    const row = stored && view.see(stored, table.schemas.codec)
    bytes += row?.body.length ?? 0
    if (bytes > maxAnswerBytes)
      throw new BlastyError('BATCH_TOO_LARGE', { limit: maxAnswerBytes, unit: 'bytes', actual: bytes })
    return row
  })
  return { rows, token: tokenOf(table, replica.revision) }
}

/** The row with this key. Throws ROW_NOT_FOUND. */
export async function rowAt(viewed: Viewed, key: Buffer, minToken: TokenMessage, context: CallContext) {
  const { rows, token } = await rowsAt(viewed, [key], minToken, context)
  const [row] = rows
  if (row === undefined) throw new BlastyError('ROW_NOT_FOUND', { table: viewed.table.log.table })
  return { row, token }
}

export type PageRequest = {
  readonly pageSize: number
  readonly pageToken: string
  readonly minToken: TokenMessage
  /** Which keys; unset = all, or what the page token says. */
  readonly bounds?: KeyBounds | undefined
}

export type Page = {
  readonly rows: readonly StoredRow[]
  /** Empty on the last page. */
  readonly nextPageToken: string
  readonly token: ReturnType<typeof tokenOf>
}

/**
 * A page of rows in key order; all pages of a listing show one revision.
 * @throws INVALID_ARGUMENT, PAGE_TOKEN_EXPIRED, WAIT_TIMEOUT, REVISION_NOT_REACHED, EPOCH_CHANGED
 */
export async function page(
  { table, view }: Viewed,
  request: PageRequest,
  snapshots: Snapshots,
  context: CallContext,
): Promise<Page> {
  const size = request.pageSize === 0 ? defaultPageSize : request.pageSize
  if (size > maxPageSize) throw invalid('page_size', `must be at most ${maxPageSize}`)
  const cursor = request.pageToken === '' ? undefined : pageCursor(table, request.pageToken)
  if (cursor !== undefined && (request.minToken?.tables.length ?? 0) > 0)
    throw invalid('min_token', 'is not allowed beside page_token')
  const range = rangeOf(table, request.bounds, cursor)
  const replica = await replicaAt(table, request.minToken, context)
  const snapshot = cursor === undefined ? replica.snapshot() : snapshots.find(table, cursor.revision)
  if (snapshot === undefined) throw expired(table, cursor)
  const see = (row: StoredRow) => view.see(row, table.schemas.codec)
  try {
    const { rows, last } = await rowsOf(snapshot, cursor?.after, range, { size, see, signal: context.signal })
    if (last !== undefined) snapshots.hold(table, snapshot)
    else if (cursor === undefined) snapshot.close()
    const { revision } = snapshot
    const nextPageToken =
      last === undefined || range === undefined ? '' : pageToken(table, { revision, after: last, range })
    return { rows, nextPageToken, token: tokenOf(table, revision) }
  } catch (error) {
    if (cursor === undefined) snapshot.close()
    throw error
  }
}

/** Rows that are looked at in one go: of a Table of which a caller sees little, a page may take them all. */
const rowsInOneGo = 2_000

/**
 * The rows of a page as the caller sees them; `last` is the key of the last one when more may follow. An undefined range holds no
 * key at all. Throws TABLE_NOT_READY when the snapshot ends meanwhile; the signal's reason.
 */
async function rowsOf(
  snapshot: RowSnapshot,
  after: Buffer | undefined,
  range: KeyRange | undefined,
  { size, see, signal }: PageOptions,
): Promise<{ readonly rows: StoredRow[]; readonly last?: Buffer }> {
  const rows: StoredRow[] = []
  let bytes = 0
  let last: Buffer | undefined
  let looked = 0
  if (range === undefined) return { rows }
  for (const { key, row: stored } of snapshot.rows(after, range)) {
    if (last !== undefined && (rows.length === size || bytes >= maxPageBytes)) return { rows, last }
    if (++looked % rowsInOneGo === 0) {
      await setImmediate()
      signal.throwIfAborted()
    }
    const row = see(stored)
    if (row === undefined) continue
    rows.push(row)
    bytes += row.body.length
    last = key
  }
  return { rows }
}

type PageOptions = {
  readonly size: number
  readonly see: (row: StoredRow) => StoredRow | undefined
  readonly signal: AbortSignal
}

/** The range of the whole listing; undefined when no key can lie in it. */
function rangeOf(table: Table, bounds: KeyBounds | undefined, cursor: PageCursor | undefined): KeyRange | undefined {
  const { current, encodeKey } = table.schemas
  const asked = bounds && keyRange(current, encodeKey, bounds)
  if (cursor === undefined) return bounds === undefined ? {} : asked
  if (bounds !== undefined && !(asked !== undefined && sameRange(asked, cursor.range)))
    throw invalid('range', 'is not that of the listing which page_token goes on with')
  return cursor.range
}

const invalid = (field: string, problem: string) => new BlastyError('INVALID_ARGUMENT', { field, problem })

function expired(table: Table, cursor: PageCursor | undefined): BlastyError {
  const after = cursor === undefined ? '' : JSON.stringify(table.schemas.decodeKey(cursor.after))
  return new BlastyError('PAGE_TOKEN_EXPIRED', { table: table.log.table, revision: cursor?.revision ?? 0, after })
}
