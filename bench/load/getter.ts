/** Load of `get`: random rows by their key, one a call and many a call, and bare calls beside. */

import { create, toBinary } from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import { connect, type ServiceClient } from '../../facade/grpc/client.ts'
import { MutationService } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { GetRequestSchema, QueryService } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { monotonicMillis, paced, perSecond } from '../harness/clock.ts'
import { filmRows } from '../harness/films.ts'
import { serveLoad } from '../harness/load.ts'
import { onceServed } from '../harness/served.ts'
import { echoPath } from './echo-path.ts'

export type GetterSetup = {
  readonly grpc: string
  readonly token: string
  readonly table: { readonly namespace: string; readonly name: string }
  readonly rows: number
  readonly echo: string
}

const maxInFlight = 1000
const chunk = 998
type Open = {
  readonly setup: GetterSetup
  readonly queries: ServiceClient<typeof QueryService>
  readonly echo: grpc.Client
}
let open: Open | undefined

function opened(): Open {
  if (open === undefined) throw new Error('the load program was not opened')
  return open
}

const randomKey = (rows: number): string => `{"id":"${1 + Math.floor(Math.random() * rows)}"}`

async function getOne({ setup: { table, rows }, queries }: Open): Promise<void> {
  const keyJson = randomKey(rows)
  const { row } = await queries.get({ table, keyJson })
  if (row === undefined || !row.rowJson.startsWith(keyJson.slice(0, -1))) throw new Error('the answer is another row')
}

const functions = {
  /** Writes the rows and waits until they can be read. */
  async open(setup: GetterSetup): Promise<void> {
    const connection = connect(setup.grpc, { token: setup.token })
    const queries = connection.service(QueryService)
    const mutations = connection.service(MutationService)
    open = { setup, queries, echo: new grpc.Client(setup.echo, grpc.credentials.createInsecure()) }
    await onceServed(() => queries.list({ table: setup.table }))
    let token: Parameters<typeof queries.get>[0]['minToken']
    for await (const { message } of mutations.import(importOf(setup))) {
      if (message.case === 'summary') token = message.value.token
    }
    if (token === undefined) throw new Error('the import ended without a token')
    await queries.get({ table: setup.table, keyJson: randomKey(setup.rows), minToken: token })
  },

  /** Milliseconds from when each read was due. */
  async latencies({ rate, count }: { rate: number; count: number }): Promise<Float64Array> {
    const on = opened()
    const found = new Float64Array(count)
    await paced({ rate, count, maxInFlight }, async (index, due) => {
      await getOne(on)
      found[index] = monotonicMillis() - due
    })
    return found
  },

  /** Reads a second. */
  throughput: ({ seconds, concurrency }: { seconds: number; concurrency: number }) =>
    perSecond(seconds, concurrency, () => getOne(opened())),

  /** Rows a second, many keys a call. */
  async batches({
    seconds,
    concurrency,
    keys,
  }: {
    seconds: number
    concurrency: number
    keys: number
  }): Promise<number> {
    const { setup, queries } = opened()
    const calls = await perSecond(seconds, concurrency, async () => {
      const keysJson = Array.from({ length: keys }, () => randomKey(setup.rows))
      const { results } = await queries.batchGet({ table: setup.table, keysJson })
      if (results.length !== keys || results.some(({ row }) => row === undefined)) throw new Error('a row is missing')
    })
    return calls * keys
  },

  /** Calls the bare server with requests of the same bytes; resolves with calls a second. */
  async echo({ seconds, concurrency }: { seconds: number; concurrency: number }): Promise<number> {
    const { setup, echo } = opened()
    const request = () =>
      Buffer.from(
        toBinary(GetRequestSchema, create(GetRequestSchema, { table: setup.table, keyJson: randomKey(setup.rows) })),
      )
    return perSecond(seconds, concurrency, () => call(echo, request()))
  },
}

export type Getter = typeof functions

async function* importOf({ table, rows }: GetterSetup) {
  yield { message: { case: 'open' as const, value: { table, importId: `bench-${process.pid}` } } }
  const rowOf = filmRows()
  for (let from = 1, number = 1n; from <= rows; from += chunk, number++) {
    const ids = Array.from({ length: Math.min(chunk, rows - from + 1) }, (_, i) => from + i)
    yield { message: { case: 'chunk' as const, value: { number, rowsJson: ids.map(id => JSON.stringify(rowOf(id))) } } }
  }
}

const asIs = (bytes: Buffer): Buffer => bytes

function call(client: grpc.Client, request: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(echoPath, asIs, asIs, request, error => {
      if (error) reject(error)
      else resolve()
    })
  })
}

serveLoad(functions)
