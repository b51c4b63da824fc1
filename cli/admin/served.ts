/** The rows of a Table as a facade serves them, page by page. */

import type { ServedRows } from '../../engine/repair/verify.ts'
import type { Table } from '../../engine/table.ts'
import { connect } from '../../facade/grpc/client.ts'
import { QueryService } from '../../proto/gen/blasty/v1/query_service_pb.js'

export type ServedOptions = {
  /** `host:port`. */
  readonly facade: string
  /** Of a caller who may List the Table. */
  readonly token: string
  /** The rows are at least as new. */
  readonly revision: number
}

const pageSize = 1_000

/** Throws what the facade answers. */
export async function* servedRows(table: Table, { facade, token, revision }: ServedOptions): ServedRows {
  const { namespace, name, uid, epoch } = table.descriptor
  const connection = connect(facade, { token })
  try {
    const queries = connection.service(QueryService)
    const minToken = { tables: [{ tableUid: uid, epoch, revision: BigInt(revision) }] }
    for (let pageToken = ''; ; ) {
      const page = await queries.list({
        table: { namespace, name },
        pageSize,
        ...(pageToken === '' ? { minToken } : { pageToken }),
      })
      yield page.rows.map(row => ({
        row: table.schemas.codec.decode(Buffer.from(row.rowJson)),
        revision: Number(row.revision),
      }))
      pageToken = page.nextPageToken
      if (pageToken === '') return
    }
  } finally {
    connection.close()
  }
}
