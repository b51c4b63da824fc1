/** Load of `ingest`: the same lines through the facade, and past it as raw batches. */

import type { MessageInitShape } from '@bufbuild/protobuf'
import { connectStreams, type Streams } from '../../backends/streams/connect.ts'
import { flightChunks } from '../../examples/data/flights.ts'
import { connect, type ServiceClient } from '../../facade/grpc/client.ts'
import {
  type IngestOpenSchema,
  type IngestRequestSchema,
  MutationService,
} from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { monotonicMillis } from '../harness/clock.ts'
import { serveLoad } from '../harness/load.ts'
import type { StreamsAccess } from '../harness/raw-stream.ts'
import { onceServed } from '../harness/served.ts'
import { publishBatches } from './raw-batches.ts'

export type IngesterSetup = {
  readonly grpc: string
  readonly token: string
  readonly table: { readonly namespace: string; readonly name: string }
  /** The table that takes lines as text. */
  readonly streams: StreamsAccess
  /** Stream, like a Table's log, that raw batches go to. */
  readonly rawStream: string
  readonly rows: number
}

type Open = {
  readonly setup: IngesterSetup
  readonly mutations: ServiceClient<typeof MutationService>
  readonly streams: Streams
  readonly lines: Buffer
}

const chunkBytes = 1024 * 1024
const messageBytes = 256 * 1024
/** Messages of a raw batch: a chunk's. */
const batch = chunkBytes / messageBytes

let open: Open | undefined
let ingests = 0

function opened(): Open {
  if (open === undefined) throw new Error('the load program was not opened')
  return open
}

const functions = {
  /** Reads the rows; resolves with their bytes. */
  async open(setup: IngesterSetup): Promise<number> {
    const mutations = connect(setup.grpc, { token: setup.token }).service(MutationService)
    const streams = await connectStreams({ ...setup.streams, name: 'bench' })
    const pieces: Buffer[] = []
    for await (const rows of flightChunks(10_000, setup.rows)) pieces.push(Buffer.from(`${rows.join('\n')}\n`))
    const lines = Buffer.concat(pieces)
    open = { setup, mutations, streams, lines }
    await onceServed(() => ingest(open, { case: 'json', value: {} }, lines.subarray(0, 0)))
    return lines.length
  },

  /** Sends all rows as lines of JSON over one call; resolves with rows a second. */
  ingest: () => ingest(open, { case: 'json', value: {} }, opened().lines),

  /** Sends the same lines as text. */
  text: () => {
    const constants = { departed: '2001-01-01T00:00:00Z', delay_minutes: 0, distance_miles: 0, destination: '' }
    const value = { column: 'origin', constantsJson: JSON.stringify(constants) }
    return ingest(open, { case: 'text', value }, opened().lines)
  },

  /** Publishes the same bytes in raw batches; resolves with rows a second. */
  async raw({ inFlight }: { inFlight: number }): Promise<number> {
    const { setup, streams, lines } = opened()
    const subject = `${setup.rawStream}.a`
    const messages = piecesOf(lines, messageBytes).map(data => ({ subject, data }))
    const begin = monotonicMillis()
    await publishBatches(streams.connection, messages, batch, inFlight)
    return (setup.rows * 1000) / (monotonicMillis() - begin)
  },
}

export type Ingester = typeof functions

type Format = NonNullable<MessageInitShape<typeof IngestOpenSchema>['format']>

async function ingest(on: Open | undefined, format: Format, lines: Buffer): Promise<number> {
  if (on === undefined) throw new Error('the load program was not opened')
  const { setup, mutations } = on
  const importId = `bench-${process.pid}-${ingests++}`
  const begin = monotonicMillis()
  let written = -1
  for await (const { message } of mutations.ingest(requestsOf(setup.table, importId, format, lines))) {
    if (message.case === 'summary') written = Number(message.value.rows)
  }
  if (written !== (lines.length === 0 ? 0 : setup.rows)) throw new Error(`${written} of ${setup.rows} rows were taken`)
  return (setup.rows * 1000) / (monotonicMillis() - begin)
}

async function* requestsOf(
  table: IngesterSetup['table'],
  importId: string,
  format: Format,
  lines: Buffer,
): AsyncGenerator<MessageInitShape<typeof IngestRequestSchema>> {
  yield { message: { case: 'open', value: { table, importId, format } } }
  for (const [index, data] of piecesOf(lines, chunkBytes).entries()) {
    yield { message: { case: 'chunk', value: { number: BigInt(index + 1), data } } }
  }
}

const piecesOf = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))

serveLoad(functions)
