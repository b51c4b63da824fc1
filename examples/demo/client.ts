/** A caller of the facade: its connection, its token, and SQL in short. */
import { serviceAccountToken } from '../../devstack/kubernetes/api.ts'
import { type Connection, connect } from '../../facade/grpc/client.ts'
import { RpcError } from '../../facade/grpc/rpc-error.ts'
import { type CanIRequest, CatalogService } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import type { Token } from '../../proto/gen/blasty/v1/common_pb.js'
import { type ColumnValues, QueryService } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { namespace, type World } from './world.ts'

const patienceMilliseconds = 10_000
const pollMilliseconds = 50
const loadingMilliseconds = 180_000

export type Caller = Disposable & {
  readonly token: string
  readonly service: Connection['service']
}

/** Connects as a service account of the demo's namespace. */
export async function callAs({ info, roles }: World, serviceAccount: string): Promise<Caller> {
  const token = await serviceAccountToken(info.kubernetes, { namespace, serviceAccount, audiences: ['blasty'] })
  const connection = connect(roles.grpc, { token })
  return { token, service: connection.service, [Symbol.dispose]: () => connection.close() }
}

/** The Table of a name in the demo's namespace. */
export const tableRef = (name: string) => ({ namespace, name })

/** Waits until the facade lets the caller do something: it learns of policies by a watch. */
export async function untilAllowed(
  { signal }: World,
  caller: Caller,
  table: string,
  action: CanIRequest['action'],
): Promise<void> {
  const catalog = caller.service(CatalogService)
  const deadline = performance.now() + patienceMilliseconds
  for (;;) {
    const { allowed } = await catalog.canI({ table: tableRef(table), action }, { signal })
    if (allowed) return
    if (performance.now() > deadline) throw new Error(`the policies applied do not let the caller use ${table}`)
    await new Promise(resolve => setTimeout(resolve, pollMilliseconds))
  }
}

export type Result = { readonly columns: readonly string[]; readonly rows: readonly (readonly unknown[])[] }

/** Runs one SELECT at least as new as `minToken`; all rows. Asks again while the facade still loads what was imported. */
export async function sql(world: World, caller: Caller, text: string, minToken: Token): Promise<Result> {
  const deadline = performance.now() + loadingMilliseconds
  for (;;) {
    try {
      return await queryOnce(world, caller, text, minToken)
    } catch (error) {
      const loading = error instanceof RpcError && error.reason === 'WAIT_TIMEOUT'
      if (!loading || performance.now() > deadline) throw error
      world.story.say('the facade is still loading the rows imported')
    }
  }
}

async function queryOnce({ signal }: World, caller: Caller, text: string, minToken: Token): Promise<Result> {
  const queries = caller.service(QueryService)
  const rows: unknown[][] = []
  let columns: string[] = []
  let complete = false
  for await (const { part } of queries.query({ namespace, sql: text, minToken }, { signal })) {
    if (part.case === 'header') columns = part.value.columns.map(({ name }) => name)
    if (part.case === 'trailer') complete = true
    if (part.case !== 'batch') continue
    const values = part.value.columns.map(valuesOf)
    for (let row = 0; row < part.value.rows; row++) rows.push(values.map(column => column[row]))
  }
  if (!complete) throw new Error('the result was cut short')
  return { columns, rows }
}

function valuesOf({ nulls, values }: ColumnValues): unknown[] {
  const isNull = (row: number): boolean => (((nulls[row >> 3] ?? 0) >> (row & 7)) & 1) === 1
  return (values.value?.values ?? []).map((value, row) => (isNull(row) ? null : value))
}
