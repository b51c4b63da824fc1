/** `write`: rows a second through the facade, held against raw atomic batches and against a bare unary call. */

import type { Bench } from './harness/bench.ts'
import { filmsTable } from './harness/films.ts'
import { startLoad } from './harness/load.ts'
import { createRawStream } from './harness/raw-stream.ts'
import { readyTable } from './harness/resources.ts'
import { interleaved } from './harness/rounds.ts'
import { median, medianRatio } from './harness/statistics.ts'
import type { EchoServer } from './load/echo-server.ts'
import type { Writer } from './load/writer.ts'

const rows = 40_000
const chunk = 998
const inFlight = 8
const seconds = 1.5
const concurrency = 32
/** About what a WriteResponse takes. */
const replyBytes = 60

export const write: Bench = async (environment, { rounds }, tell) => {
  const { stack, grpc, namespace } = environment
  const table = { namespace, name: 'films' }
  const token = await readyTable(environment, table.name, filmsTable)
  const streams = { servers: stack.nats.servers, ...stack.nats.users.facade }
  const rawStream = await createRawStream(streams)
  await using echoServer = await startLoad<EchoServer>(new URL('load/echo-server.ts', import.meta.url))
  const echo = await echoServer.call('start', { replyBytes })
  await using load = await startLoad<Writer>(new URL('load/writer.ts', import.meta.url))
  await load.call('open', { grpc, token, table, streams, rawStream, echo })

  const measured = await interleaved(
    rounds,
    {
      raw: () => load.call('raw', { rows, batch: chunk, inFlight }),
      batched: () => load.call('batched', { rows, chunk }),
      echo: () => load.call('echo', { seconds, concurrency }),
      unary: () => load.call('unary', { seconds, concurrency }),
    },
    tell,
  )
  return {
    figures: {
      unary_rows_per_s: median(measured.unary),
      echo_calls_per_s: median(measured.echo),
      unary_ratio: medianRatio(measured.unary, measured.echo),
      batched_rows_per_s: median(measured.batched),
      raw_rows_per_s: median(measured.raw),
      batched_ratio: medianRatio(measured.batched, measured.raw),
    },
    notes: [
      `median of ${rounds} interleaved rounds of ${rows} new rows of films in chunks of ${chunk}, ${inFlight} under way, and of ${concurrency} unary calls at once`,
      'servers, facade, worker, operator and load share this machine',
    ],
  }
}
