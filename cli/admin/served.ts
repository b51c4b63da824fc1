/** The rows of a Table as a facade serves them, page by page. */

import type { ServedRows } from '../../engine/repair/verify.ts'
import type { Table } from '../../engine/table.ts'
import { connect } from '../../facade/grpc/client.ts'
import { type ListResponse, QueryService } from '../../proto/gen/blasty/v1/query_service_pb.js'

export type ServedOptions = {
  /** `host:port`. */
  readonly facade: string
  /** Of a caller who may List the Table. */
  readonly token: string
  /** The rows are at least as new. */
  readonly revision: number
}

const pageSize = 1_000

/** All rows as of one revision, and which that is. Throws what the facade answers. */
export async function servedAt(
  table: Table,
  { facade, token, revision }: ServedOptions,
): Promise<{ readonly revision: number; readonly rows: ServedRows }> {
  const { namespace, name, uid, epoch } = table.descriptor
  const connection = connect(facade, { token })
  const queries = connection.service(QueryService)
  const request = { table: { namespace, name }, pageSize }
  const rowsOf = ({ rows }: ListResponse) =>
    rows.map(row => ({ row: table.schemas.codec.decode(Buffer.from(row.rowJson)), revision: Number(row.revision) }))
  const rest = async function* (first: ListResponse): ServedRows {
    try {
      yield rowsOf(first)
      for (let pageToken = first.nextPageToken; pageToken !== ''; ) {
        const page = await queries.list({ ...request, pageToken })
        yield rowsOf(page)
        pageToken = page.nextPageToken
      }
    } finally {
      connection.close()
    }
  }
  try {
    const minToken = { tables: [{ tableUid: uid, epoch, revision: BigInt(revision) }] }
    const first = await queries.list({ ...request, minToken })
    const at = first.token?.tables.find(({ tableUid }) => tableUid === uid)?.revision
    if (at === undefined) throw new Error('the facade does not say of which revision its rows are')
    return { revision: Number(at), rows: rest(first) }
  } catch (error) {
    connection.close()
    throw error
  }
}

/** All rows as of a revision at least as new. */
export async function* servedRows(table: Table, options: ServedOptions): ServedRows {
  yield* (await servedAt(table, options)).rows
}
