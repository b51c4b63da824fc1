/** A caller of the facade: the RPCs, and what tests do with them all the time in short. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import { type Connection, connect, type ServiceClient } from '../../facade/grpc/client.ts'
import type { AckLevel, Token } from '../../proto/gen/blasty/v1/common_pb.js'
import { MutationService, type WriteResponse } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { type ColumnValues, type QueryRequestSchema, QueryService } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { SearchService } from '../../proto/gen/blasty/v1/search_service_pb.js'
import { SubscriptionService } from '../../proto/gen/blasty/v1/subscription_service_pb.js'

export type Json = Readonly<Record<string, unknown>>

export type Caller = { readonly namespace: string; readonly serviceAccount: string; readonly token: string }

export type Client = Caller & {
  readonly connection: Connection
  readonly mutations: ServiceClient<typeof MutationService>
  readonly queries: ServiceClient<typeof QueryService>
  readonly searches: ServiceClient<typeof SearchService>
  readonly subscriptions: ServiceClient<typeof SubscriptionService>
  /** One table of the caller's namespace. */
  readonly table: (name: string) => TableClient
  /** All rows of a SELECT, and the token served. */
  readonly sql: (
    sql: string,
    minToken?: Token,
    asOf?: AsOf,
  ) => Promise<{ readonly rows: Json[]; readonly token: Token | undefined }>
}

/** The revisions or the time as of which a SELECT reads. */
export type AsOf = NonNullable<MessageInitShape<typeof QueryRequestSchema>['asOf']>

export type WriteOptions = {
  readonly mutationId?: string
  readonly ackLevel?: AckLevel
  readonly ifAbsent?: true
  readonly ifRevision?: bigint
  readonly timeoutMs?: number
}

export type Stored = { readonly row: Json; readonly revision: bigint }

export type TableClient = {
  readonly ref: { readonly namespace: string; readonly name: string }
  /** Puts rows as one batch; a condition holds for each of them. */
  readonly put: (rows: readonly Json[], options?: WriteOptions) => Promise<WriteResponse>
  readonly remove: (keys: readonly Json[], options?: WriteOptions) => Promise<WriteResponse>
  readonly get: (key: Json, minToken?: Token) => Promise<Stored>
  /** All rows, by pages. */
  readonly list: (pageSize: number, minToken?: Token) => Promise<Stored[]>
}

/** Reconnects fast: a server that was restarted is found at once. */
const channel = { 'grpc.initial_reconnect_backoff_ms': 50, 'grpc.max_reconnect_backoff_ms': 250 }

export function openClient(address: string, caller: Caller): Client {
  const connection = connect(address, { token: caller.token, channel })
  const queries = connection.service(QueryService)
  const mutations = connection.service(MutationService)
  return {
    ...caller,
    connection,
    mutations,
    queries,
    searches: connection.service(SearchService),
    subscriptions: connection.service(SubscriptionService),
    table: name => tableClient({ namespace: caller.namespace, name }, mutations, queries),
    sql: async (sql, minToken, asOf) => {
      const rows: Json[] = []
      let names: string[] = []
      let token: Token | undefined
      const request = { namespace: caller.namespace, sql, ...wanting(minToken), ...(asOf && { asOf }) }
      for await (const { part } of queries.query(request)) {
        if (part.case === 'header') names = part.value.columns.map(({ name }) => name)
        else if (part.case === 'trailer') token = part.value.token
        else if (part.case === 'batch') {
          const columns = part.value.columns.map(valuesOf)
          for (let row = 0; row < part.value.rows; row++) {
            rows.push(Object.fromEntries(names.map((name, column) => [name, columns[column]?.[row]])))
          }
        }
      }
      return { rows, token }
    },
  }
}

function tableClient(
  ref: TableClient['ref'],
  mutations: ServiceClient<typeof MutationService>,
  queries: ServiceClient<typeof QueryService>,
): TableClient {
  const write = (operation: 'putRowJson' | 'deleteKeyJson', rows: readonly Json[], options: WriteOptions) => {
    const { mutationId = '', ackLevel = 0, timeoutMs = 30_000 } = options
    const condition = conditionOf(options)
    const mutation = (row: Json) => ({ operation: { case: operation, value: JSON.stringify(row) }, ...condition })
    return mutations.write({ table: ref, mutations: rows.map(mutation), mutationId, ackLevel }, { timeoutMs })
  }
  return {
    ref,
    put: (rows, options = {}) => write('putRowJson', rows, options),
    remove: (keys, options = {}) => write('deleteKeyJson', keys, options),
    get: async (key, minToken) =>
      stored((await queries.get({ table: ref, keyJson: JSON.stringify(key), ...wanting(minToken) })).row),
    list: async (pageSize, minToken) => {
      const rows: Stored[] = []
      let pageToken = ''
      do {
        const page = await queries.list({
          table: ref,
          pageSize,
          pageToken,
          ...(pageToken === '' ? wanting(minToken) : {}),
        })
        rows.push(...page.rows.map(stored))
        pageToken = page.nextPageToken
      } while (pageToken !== '')
      return rows
    },
  }
}

function conditionOf({ ifAbsent, ifRevision }: WriteOptions) {
  if (ifAbsent) return { condition: { case: 'ifAbsent' as const, value: true } }
  if (ifRevision !== undefined) return { condition: { case: 'ifRevision' as const, value: ifRevision } }
  return {}
}

const wanting = (minToken: Token | undefined) => (minToken === undefined ? {} : { minToken })

export function stored(row: { readonly rowJson: string; readonly revision: bigint } | undefined): Stored {
  if (row === undefined) throw new Error('the answer holds no row')
  return { row: JSON.parse(row.rowJson), revision: row.revision }
}

function valuesOf({ nulls, values }: ColumnValues): unknown[] {
  const isNull = (row: number) => (((nulls[row >> 3] ?? 0) >> (row & 7)) & 1) === 1
  return (values.value?.values ?? []).map((value, row) => (isNull(row) ? null : value))
}
