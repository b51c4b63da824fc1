/** Reading rows by key: one, many at one revision, and pages of all. */

import { BlastyError } from '../../base/errors.ts'
import type { StoredRow } from '../../engine/replica/change.ts'
import type { Table } from '../../engine/table.ts'
import type { CallContext } from '../grpc/context.ts'
import { patiently } from './scope.ts'
import type { Snapshots } from './snapshots.ts'
import { type TokenMessage, tokenOf, wantedRevision } from './token.ts'

const defaultPageSize = 100
const maxPageSize = 1000
const maxPageBytes = 2 * 1024 * 1024

/** The rows with these keys, all as of one revision. */
export async function rowsAt(
  table: Table,
  keys: readonly Buffer[],
  minToken: TokenMessage,
  context: CallContext,
): Promise<{ readonly rows: (StoredRow | undefined)[]; readonly token: ReturnType<typeof tokenOf> }> {
  const wanted = wantedRevision(minToken, table)
  const replica = await patiently(context, `table ${table.log.table}`, wanted, signal =>
    table.reached(wanted, 'rows', signal),
  )
  // Nothing is awaited from here on, so nothing changes between the first row and the last.
  return { rows: keys.map(key => replica.get(key)), token: tokenOf(table, replica.revision) }
}

/** The row with this key. Throws ROW_NOT_FOUND. */
export async function rowAt(table: Table, key: Buffer, minToken: TokenMessage, context: CallContext) {
  const { rows, token } = await rowsAt(table, [key], minToken, context)
  const [row] = rows
  if (row === undefined) throw new BlastyError('ROW_NOT_FOUND', { table: table.log.table })
  return { row, token }
}

export type Page = {
  readonly rows: readonly StoredRow[]
  /** Empty on the last page. */
  readonly nextPageToken: string
  readonly token: ReturnType<typeof tokenOf>
}

type Cursor = { readonly uid: string; readonly revision: number; readonly after: string }

/** A page of rows in key order; all pages of a listing show one revision. */
export async function page(
  table: Table,
  request: { readonly pageSize: number; readonly pageToken: string; readonly minToken: TokenMessage },
  snapshots: Snapshots,
  context: CallContext,
): Promise<Page> {
  const size = request.pageSize === 0 ? defaultPageSize : request.pageSize
  if (size > maxPageSize)
    throw new BlastyError('INVALID_ARGUMENT', { field: 'page_size', problem: `must be at most ${maxPageSize}` })
  const cursor = request.pageToken === '' ? undefined : cursorOf(table, request.pageToken)
  if (cursor !== undefined && (request.minToken?.tables.length ?? 0) > 0) {
    throw new BlastyError('INVALID_ARGUMENT', { field: 'min_token', problem: 'is not allowed beside page_token' })
  }
  const wanted = wantedRevision(request.minToken, table)
  const replica = await patiently(context, `table ${table.log.table}`, wanted, signal =>
    table.reached(wanted, 'rows', signal),
  )
  // Nothing is awaited from here on, so nobody else closes the snapshot.
  const snapshot = cursor === undefined ? replica.snapshot() : snapshots.find(table, cursor.revision)
  const rows: StoredRow[] = []
  let bytes = 0
  let last: Buffer | undefined
  let more = false
  for (const { key, row } of snapshot.rows(cursor && Buffer.from(cursor.after, 'base64'))) {
    if (rows.length === size || bytes >= maxPageBytes) {
      more = true
      break
    }
    rows.push(row)
    bytes += row.body.length
    last = key
  }
  if (more) snapshots.hold(table, snapshot)
  else if (cursor === undefined) snapshot.close()
  const nextPageToken = more && last !== undefined ? tokenFor(table, snapshot.revision, last) : ''
  return { rows, nextPageToken, token: tokenOf(table, snapshot.revision) }
}

function tokenFor(table: Table, revision: number, after: Buffer): string {
  const cursor: Cursor = { uid: table.descriptor.uid, revision, after: after.toString('base64') }
  return Buffer.from(JSON.stringify(cursor)).toString('base64url')
}

function cursorOf(table: Table, token: string): Cursor {
  const wrong = () =>
    new BlastyError('INVALID_ARGUMENT', { field: 'page_token', problem: 'is not one that this table gave out' })
  let cursor: unknown
  try {
    cursor = JSON.parse(Buffer.from(token, 'base64url').toString())
  } catch (error) {
    throw Object.assign(wrong(), { cause: error })
  }
  if (typeof cursor !== 'object' || cursor === null) throw wrong()
  const { uid, revision, after } = cursor as Record<string, unknown>
  if (uid !== table.descriptor.uid || typeof revision !== 'number' || typeof after !== 'string') throw wrong()
  return { uid, revision, after }
}
