/** `ingest`: rows a second that an append-only Table takes as lines of JSON, held against raw batches of the same bytes. */

import type { Bench } from './harness/bench.ts'
import { startLoad } from './harness/load.ts'
import { residentMegabytes } from './harness/memory.ts'
import { processorSeconds } from './harness/processor.ts'
import { createRawStream } from './harness/raw-stream.ts'
import { readyTable } from './harness/resources.ts'
import { interleaved } from './harness/rounds.ts'
import { median, medianRatio } from './harness/statistics.ts'
import type { Ingester } from './load/ingester.ts'

const rows = 500_000
const inFlight = 8

const flightsTable = {
  columns: [
    { name: 'departed', type: 'Timestamp', required: true },
    { name: 'delay_minutes', type: 'Int32', required: true },
    { name: 'distance_miles', type: 'Int32', required: true },
    { name: 'origin', type: 'String', required: true },
    { name: 'destination', type: 'String', required: true },
  ],
  log: { maxBytes: '20Gi' },
}

export const ingest: Bench = async (environment, { rounds }, tell) => {
  const { stack, grpc, namespace, roles } = environment
  const facade = roles?.of('facade').pid
  if (facade === undefined) {
    throw new Error('the memory of a facade that was found running cannot be told: attach to npm run dev -- --no-roles')
  }
  const table = { namespace, name: 'flights' }
  const token = await readyTable(environment, table.name, flightsTable)
  const streams = { servers: stack.nats.servers, ...stack.nats.users.facade }
  const rawStream = await createRawStream(streams)
  await using load = await startLoad<Ingester>(new URL('load/ingester.ts', import.meta.url))
  tell(`reading ${rows} flights`)
  const bytes = await load.call('open', { grpc, token, table, streams, rawStream, rows })

  let memory = 0
  const processor: number[] = []
  const measured = await interleaved(
    rounds,
    {
      raw: () => load.call('raw', { inFlight }),
      ingested: async () => {
        const before = processorSeconds(facade)
        const rate = await load.call('ingest', undefined)
        processor.push(((processorSeconds(facade) - before) * 1e6) / rows)
        memory = Math.max(memory, await residentMegabytes(facade))
        return rate
      },
      text: () => load.call('text', undefined),
    },
    tell,
  )
  return {
    figures: {
      rows_per_s: median(measured.ingested),
      raw_rows_per_s: median(measured.raw),
      ratio: medianRatio(measured.ingested, measured.raw),
      text_rows_per_s: median(measured.text),
      mb_per_s: (median(measured.ingested) * bytes) / rows / 1e6,
      cpu_us_per_row: median(processor),
      rss_mb: memory,
    },
    notes: [
      `median of ${rounds} interleaved rounds of ${rows} flights, ${Math.round(bytes / rows)} bytes each as JSON, in chunks of a mebibyte; text: the same lines into one column`,
      `raw: batches of the same bytes in messages of 256 KiB, ${inFlight} under way`,
      'cpu_us_per_row: processor time of the facade; rss_mb: its memory right after a round, the highest of all rounds',
      'servers, facade, worker, operator and load share this machine',
    ],
  }
}
