/** `get`: one row by its key over gRPC: latency at a steady rate, and reads a second of many callers at once. */

import type { Bench } from './harness/bench.ts'
import { filmsTable } from './harness/films.ts'
import { startLoad } from './harness/load.ts'
import { residentMegabytes } from './harness/memory.ts'
import { processorSeconds } from './harness/processor.ts'
import { readyTable } from './harness/resources.ts'
import { interleaved } from './harness/rounds.ts'
import { median, medianRatio, percentile } from './harness/statistics.ts'
import type { EchoServer } from './load/echo-server.ts'
import type { Getter } from './load/getter.ts'

const rows = 20_000
/** Rate and length of what latencies are measured at. */
const rate = 1000
const latencySeconds = 2
const seconds = 2
const concurrency = 32
/** Keys of one BatchGet. */
const batch = 100
/** About what a GetResponse takes. */
const replyBytes = 450

export const get: Bench = async (environment, { rounds }, tell) => {
  const { grpc, namespace, roles } = environment
  const facade = roles?.of('facade').pid
  const table = { namespace, name: 'films' }
  const token = await readyTable(environment, table.name, filmsTable)
  await using echoServer = await startLoad<EchoServer>(new URL('load/echo-server.ts', import.meta.url))
  const echo = await echoServer.call('start', { replyBytes })
  await using load = await startLoad<Getter>(new URL('load/getter.ts', import.meta.url))
  tell(`filling the table with ${rows} rows`)
  await load.call('open', { grpc, token, table, rows, echo })

  const latencies: number[] = []
  const processor: number[] = []
  const measured = await interleaved(
    rounds,
    {
      echo: () => load.call('echo', { seconds, concurrency }),
      per_s: async () => {
        const before = facade === undefined ? 0 : processorSeconds(facade)
        const rate = await load.call('throughput', { seconds, concurrency })
        if (facade !== undefined) processor.push(((processorSeconds(facade) - before) * 1e6) / (rate * seconds))
        return rate
      },
      batch: () => load.call('batches', { seconds, concurrency: 4, keys: batch }),
      p50_ms: async () => {
        const round = await load.call('latencies', { rate, count: rate * latencySeconds })
        latencies.push(...round)
        return percentile(round, 0.5)
      },
    },
    tell,
  )
  // The first round is warm-up.
  const counted = latencies.slice(rate * latencySeconds)
  return {
    figures: {
      p50_ms: percentile(counted, 0.5),
      p99_ms: percentile(counted, 0.99),
      per_s: median(measured.per_s),
      echo_per_s: median(measured.echo),
      ratio: medianRatio(measured.per_s, measured.echo),
      ...(processor.length > 0 ? { cpu_us: median(processor) } : {}),
      batch_rows_per_s: median(measured.batch),
      ...(facade === undefined ? {} : { rss_mb: await residentMegabytes(facade) }),
    },
    notes: [
      `${rounds} interleaved rounds over ${rows} films; latencies at ${rate} reads a second from when each was due, ${counted.length} samples; per_s from ${concurrency} callers over one connection`,
      `echo: a bare grpc-js server that answers ${replyBytes} bytes; batch: ${batch} keys a call; cpu_us: processor time of the facade a read; rss_mb: its memory in the end`,
      'servers, facade, worker, operator and load share this machine',
    ],
  }
}
