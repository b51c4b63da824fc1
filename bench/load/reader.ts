/** Load of `freshness`: writes a row and finds it by SQL with the token of the write, at a modest steady rate. */

import { connect, type ServiceClient } from '../../facade/grpc/client.ts'
import type { Token } from '../../proto/gen/blasty/v1/common_pb.js'
import { MutationService } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { QueryService } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { monotonicMillis, paced } from '../harness/clock.ts'
import { filmRows } from '../harness/films.ts'
import { serveLoad } from '../harness/load.ts'

type Setup = { readonly grpc: string; readonly token: string; readonly table: { namespace: string; name: string } }
type Client = {
  readonly table: Setup['table']
  readonly mutations: ServiceClient<typeof MutationService>
  readonly queries: ServiceClient<typeof QueryService>
}

const maxInFlight = 64
const rowOf = filmRows()
let client: Client | undefined

const functions = {
  async open({ grpc, token, table }: Setup): Promise<void> {
    const connection = connect(grpc, { token })
    client = { table, mutations: connection.service(MutationService), queries: connection.service(QueryService) }
  },

  /** Rows `first` and on are written, `rate` a second; resolves with the milliseconds from when each was due until SQL had found it. */
  async read({ rate, count, first }: { rate: number; count: number; first: number }): Promise<Float64Array> {
    if (client === undefined) throw new Error('the load program was not opened')
    const { table, mutations, queries } = client
    const sql = `SELECT imdb_votes FROM "${table.name}" WHERE id = $1`
    const latencies = new Float64Array(count)
    await paced({ rate, count, maxInFlight }, async (index, due) => {
      const id = first + index
      const row = JSON.stringify({ ...rowOf(id), imdb_votes: String(id), due: 0 })
      const mutation = { operation: { case: 'putRowJson' as const, value: row } }
      const { token } = await mutations.write({ table, mutations: [mutation] })
      if (token === undefined) throw new Error('a write was answered without a token')
      const found = await votes(queries, table.namespace, sql, id, token)
      if (found !== BigInt(id)) throw new Error(`SQL at the token of a write found ${found} instead of ${id}`)
      latencies[index] = monotonicMillis() - due
    })
    return latencies
  },
}

/** The one value that the statement finds. */
async function votes(
  queries: Client['queries'],
  namespace: string,
  sql: string,
  id: number,
  minToken: Token,
): Promise<bigint | undefined> {
  const parameters = [{ kind: { case: 'int64Value' as const, value: BigInt(id) } }]
  let found: bigint | undefined
  for await (const { part } of queries.query({ namespace, sql, parameters, minToken })) {
    if (part.case !== 'batch') continue
    const values = part.value.columns[0]?.values
    if (values?.case === 'int64s') found = values.value.values[0]
  }
  return found
}

export type Reader = typeof functions

serveLoad(functions)
