/** Load of `sql`: the same statements through the facade and by DuckDB in this process. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { flightsParquet } from '../../examples/data/files.ts'
import { flightChunks } from '../../examples/data/flights.ts'
import { connect, type ServiceClient } from '../../facade/grpc/client.ts'
import { MutationService } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { type ColumnValues, QueryService } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { monotonicMillis } from '../harness/clock.ts'
import { serveLoad } from '../harness/load.ts'
import { onceServed } from '../harness/served.ts'

type Setup = { readonly grpc: string; readonly token: string; readonly namespace: string; readonly name: string }
type Limits = { readonly memory: string; readonly threads: number }
type Open = {
  readonly namespace: string
  readonly queries: ServiceClient<typeof QueryService>
  readonly native: DuckDBConnection
}

const chunkRows = 998
const flights = 3_000_000
const patienceMillis = 120_000

let open: Open | undefined

function opened(): Open {
  if (open === undefined) throw new Error('the load program was not opened')
  return open
}

/** All rows into the Table, until SQL has them; resolves with their number and the seconds that took. */
async function importFlights({ grpc, token, namespace, name }: Setup, queries: Open['queries']) {
  const mutations = connect(grpc, { token }).service(MutationService)
  const table = { namespace, name }
  const requests = async function* () {
    yield { message: { case: 'open' as const, value: { table, importId: 'flights' } } }
    let number = 0n
    for await (const rowsJson of flightChunks(chunkRows, flights)) {
      number += 1n
      yield { message: { case: 'chunk' as const, value: { number, rowsJson } } }
    }
  }
  await onceServed(() => countOf(queries, namespace, name))
  const begin = monotonicMillis()
  for await (const { message } of mutations.import(requests())) {
    if (message.case !== 'summary' || message.value.token === undefined) continue
    const rows = await countOf(queries, namespace, name, message.value.token)
    if (rows !== Number(message.value.rows)) throw new Error(`SQL has ${rows} of ${message.value.rows} rows`)
    return { rows, seconds: (monotonicMillis() - begin) / 1000 }
  }
  throw new Error('the import ended without a summary')
}

async function countOf(
  queries: Open['queries'],
  namespace: string,
  name: string,
  minToken?: NonNullable<Parameters<Open['queries']['query']>[0]['minToken']>,
): Promise<number> {
  const request = { namespace, sql: `SELECT count(*) FROM "${name}"`, ...(minToken && { minToken }) }
  for await (const { part } of queries.query(request, { timeoutMs: patienceMillis })) {
    if (part.case === 'batch') return Number(part.value.columns[0]?.values.value?.values[0])
  }
  throw new Error('a count was answered without rows')
}

async function openNative({ memory, threads }: Limits): Promise<DuckDBConnection> {
  const folder = await mkdtemp(join(tmpdir(), 'blasty-bench-sql-'))
  process.once('exit', () => {
    void rm(folder, { recursive: true, force: true })
  })
  const settings = { threads: String(threads), memory_limit: memory, preserve_insertion_order: 'false' }
  const connection = await (await DuckDBInstance.create(join(folder, 'native.duckdb'), settings)).connect()
  await connection.run("SET TimeZone = 'UTC'")
  await connection.run(
    `CREATE TABLE flights (departed TIMESTAMPTZ, delay_minutes INTEGER, distance_miles INTEGER, origin VARCHAR, destination VARCHAR,
      _revision BIGINT, _commit_time TIMESTAMPTZ)`,
  )
  await connection.run(
    `INSERT INTO flights SELECT date::TIMESTAMPTZ, delay, distance, origin, destination, row_number() OVER () // ${chunkRows}, now()
      FROM read_parquet('${flightsParquet}') LIMIT ${flights}`,
  )
  await connection.run('CHECKPOINT')
  return connection
}

/** Rows of a statement, read as columns, as text for comparison where asked for. */
async function facadeRows(statement: string): Promise<string[]> {
  const { queries, namespace } = opened()
  const rows: string[] = []
  for await (const { part } of queries.query({ namespace, sql: statement }, { timeoutMs: patienceMillis })) {
    if (part.case !== 'batch') continue
    const columns = part.value.columns.map(textsOf)
    for (let row = 0; row < part.value.rows; row++) rows.push(columns.map(column => column[row]).join('|'))
  }
  return rows
}

const textsOf = ({ values }: ColumnValues): string[] =>
  [...(values.value?.values ?? [])].map(value => (typeof value === 'number' ? value.toPrecision(10) : String(value)))

const functions = {
  /** Fills the Table and a DuckDB database of this process. */
  async open({ setup, limits }: { setup: Setup; limits: Limits }) {
    const queries = connect(setup.grpc, { token: setup.token }).service(QueryService)
    const imported = await importFlights(setup, queries)
    open = { namespace: setup.namespace, queries, native: await openNative(limits) }
    return imported
  },

  /** Throws unless both ways return as many rows for each statement, and the same first column of counts. */
  async compare({ queries }: { queries: readonly string[] }): Promise<void> {
    for (const statement of queries) {
      const facade = await facadeRows(statement)
      const native = await opened().native.runAndReadAll(statement)
      if (facade.length !== native.currentRowCount)
        throw new Error(`${facade.length} rows instead of ${native.currentRowCount}: ${statement}`)
    }
  },

  /** Resolves with the milliseconds until everything was read. */
  async facade({ statement }: { statement: string }): Promise<number> {
    const { queries, namespace } = opened()
    const begin = monotonicMillis()
    let complete = false
    for await (const { part } of queries.query({ namespace, sql: statement }, { timeoutMs: patienceMillis })) {
      complete = part.case === 'trailer'
    }
    if (!complete) throw new Error('a result was cut short')
    return monotonicMillis() - begin
  },

  /** Resolves with the milliseconds until everything was read into columns. */
  async native({ statement }: { statement: string }): Promise<number> {
    const { native } = opened()
    const begin = monotonicMillis()
    const reader = await native.runAndReadAll(statement)
    reader.getColumns()
    return monotonicMillis() - begin
  },
}

export type Querier = typeof functions

serveLoad(functions)
