/** Load of `write`: the same rows through the facade, in batches and one by one, and past it to the limits of both ways. */

import { create, toBinary } from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import { connectStreams, type Streams } from '../../backends/streams/connect.ts'
import { connect, type ServiceClient } from '../../facade/grpc/client.ts'
import { MutationService, WriteRequestSchema } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { monotonicMillis, perSecond } from '../harness/clock.ts'
import { filmRows } from '../harness/films.ts'
import { serveLoad } from '../harness/load.ts'
import { onceServed } from '../harness/served.ts'
import { echoPath } from './echo-path.ts'
import { publishBatches } from './raw-batches.ts'

export type WriterSetup = {
  readonly grpc: string
  readonly token: string
  readonly table: { readonly namespace: string; readonly name: string }
  readonly streams: { readonly servers: readonly string[]; readonly user: string; readonly password: string }
  /** Stream, like a Table's log, that raw batches go to. */
  readonly rawStream: string
  readonly echo: string
}

type Open = {
  readonly setup: WriterSetup
  readonly mutations: ServiceClient<typeof MutationService>
  readonly streams: Streams
  readonly echo: grpc.Client
}

const rowOf = filmRows()
let open: Open | undefined
let nextId = 1
let imports = 0

/** Rows that were never written before, as JSON: made before the clock starts. */
function freshRows(count: number): string[] {
  return Array.from({ length: count }, () => JSON.stringify(rowOf(nextId++)))
}

function opened(): Open {
  if (open === undefined) throw new Error('the load program was not opened')
  return open
}

const functions = {
  async open(setup: WriterSetup): Promise<void> {
    const mutations = connect(setup.grpc, { token: setup.token }).service(MutationService)
    const streams = await connectStreams({ ...setup.streams, name: 'bench' })
    const echo = new grpc.Client(setup.echo, grpc.credentials.createInsecure())
    open = { setup, mutations, streams, echo }
    await onceServed(() => mutations.write(writeOf(setup.table, freshRows(1))))
  },

  /** Imports fresh rows over one call; resolves with rows a second. */
  async batched({ rows, chunk }: { rows: number; chunk: number }): Promise<number> {
    const { setup, mutations } = opened()
    const fresh = freshRows(rows)
    const begin = monotonicMillis()
    let written = 0
    for await (const { message } of mutations.import(importOf(setup.table, fresh, chunk))) {
      if (message.case === 'summary') written = Number(message.value.rows)
    }
    if (written !== rows) throw new Error(`${written} of ${rows} rows were imported`)
    return (rows * 1000) / (monotonicMillis() - begin)
  },

  /** Publishes as many rows of the same kind in raw batches; resolves with rows a second. */
  async raw({ rows, batch, inFlight }: { rows: number; batch: number; inFlight: number }): Promise<number> {
    const { setup, streams } = opened()
    const first = nextId
    const messages = freshRows(rows).map((json, index) => ({
      subject: `${setup.rawStream}.k.${Buffer.from(String(first + index)).toString('base64url')}`,
      data: Buffer.from(json),
    }))
    const begin = monotonicMillis()
    await publishBatches(streams.connection, messages, batch, inFlight)
    return (rows * 1000) / (monotonicMillis() - begin)
  },

  /** Writes fresh rows one a call; resolves with rows a second. */
  async unary({ seconds, concurrency }: { seconds: number; concurrency: number }): Promise<number> {
    const { setup, mutations } = opened()
    return perSecond(seconds, concurrency, async () => {
      await mutations.write(writeOf(setup.table, freshRows(1)))
    })
  },

  /** Calls the bare server with requests of the same bytes; resolves with calls a second. */
  async echo({ seconds, concurrency }: { seconds: number; concurrency: number }): Promise<number> {
    const { setup, echo } = opened()
    const request = () =>
      Buffer.from(toBinary(WriteRequestSchema, create(WriteRequestSchema, writeOf(setup.table, freshRows(1)))))
    return perSecond(seconds, concurrency, () => call(echo, request()))
  },
}

export type Writer = typeof functions

function writeOf(table: WriterSetup['table'], rows: readonly string[]) {
  return { table, mutations: rows.map(value => ({ operation: { case: 'putRowJson' as const, value } })) }
}

async function* importOf(table: WriterSetup['table'], rows: readonly string[], chunk: number) {
  yield { message: { case: 'open' as const, value: { table, importId: `bench-${process.pid}-${imports++}` } } }
  for (let from = 0, number = 1n; from < rows.length; from += chunk, number++) {
    yield { message: { case: 'chunk' as const, value: { number, rowsJson: rows.slice(from, from + chunk) } } }
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
