/** `sql`: queries over three million flights through the facade, held against DuckDB on the same rows in the client's own process. */

import type { Bench } from './harness/bench.ts'
import { startLoad } from './harness/load.ts'
import { residentMegabytes } from './harness/memory.ts'
import { readyTable } from './harness/resources.ts'
import { interleaved } from './harness/rounds.ts'
import { median, medianRatio } from './harness/statistics.ts'
import type { Querier } from './load/querier.ts'

const name = 'flights'

/** Append-only, as in examples/manifests/flights.yaml. */
const flightsTable = {
  columns: [
    { name: 'departed', type: 'Timestamp', required: true },
    { name: 'delay_minutes', type: 'Int32', required: true },
    { name: 'distance_miles', type: 'Int32', required: true },
    { name: 'origin', type: 'String', required: true },
    { name: 'destination', type: 'String', required: true },
  ],
  log: { maxBytes: '4Gi' },
}

/** The roles are started with their defaults; DuckDB beside them gets as much. */
const limits = { memory: '2GB', threads: 2 }
/** What a query may take more than DuckDB does, and what may be added to it. */
const markRatio = 1.15
const markMillis = 3

const queries: Readonly<Record<string, string>> = {
  count: 'SELECT count(*) FROM flights',
  filter:
    "SELECT count(*), avg(delay_minutes) FROM flights WHERE origin = 'JFK' AND destination = 'LAX' AND delay_minutes > 15",
  top: 'SELECT origin, count(*) AS n, avg(delay_minutes) FROM flights GROUP BY origin ORDER BY n DESC, origin LIMIT 10',
  days: 'SELECT departed::DATE AS day, count(*), sum(distance_miles) FROM flights GROUP BY day ORDER BY day',
  quantiles:
    'SELECT origin, quantile_cont(delay_minutes, [0.5, 0.9, 0.99]) FROM flights GROUP BY origin ORDER BY count(*) DESC, origin LIMIT 20',
  pairs: `WITH routes AS (SELECT origin, destination, count(*) AS n FROM flights GROUP BY ALL)
    SELECT a.origin, a.destination, a.n, b.n FROM routes a JOIN routes b ON a.origin = b.destination AND a.destination = b.origin
    WHERE a.origin < a.destination ORDER BY abs(a.n - b.n) DESC, a.origin, a.destination LIMIT 20`,
  ranked: `SELECT origin, departed, delay_minutes FROM flights WHERE delay_minutes > 300
    QUALIFY row_number() OVER (PARTITION BY origin ORDER BY delay_minutes DESC, departed) <= 3 ORDER BY ALL`,
  histogram: 'SELECT delay_minutes // 15 AS quarter, count(*) FROM flights GROUP BY quarter ORDER BY quarter',
  distinct: 'SELECT count(DISTINCT (origin, destination)), count(DISTINCT departed) FROM flights',
  rows: "SELECT * EXCLUDE (_revision, _commit_time) FROM flights WHERE origin = 'SEA' ORDER BY departed, destination, delay_minutes LIMIT 10000",
}

export const sql: Bench = async (environment, { rounds }, tell) => {
  const { grpc, namespace, roles } = environment
  const facade = roles?.of('facade').pid
  const token = await readyTable(environment, name, flightsTable)
  await using load = await startLoad<Querier>(new URL('load/querier.ts', import.meta.url))
  tell('importing three million flights')
  const { rows, seconds } = await load.call('open', { setup: { grpc, token, namespace, name }, limits })
  tell(`${rows} rows imported and in SQL after ${seconds.toFixed(1)} s`)
  await load.call('compare', { queries: Object.values(queries) })

  const ratios: number[] = []
  const added: number[] = []
  const lines: string[] = []
  for (const [title, statement] of Object.entries(queries)) {
    const { facade, native } = await interleaved(
      rounds,
      {
        facade: () => load.call('facade', { statement }),
        native: () => load.call('native', { statement }),
      },
      line => tell(`${title}: ${line}`),
    )
    const ratio = medianRatio(facade, native)
    const more = median(facade.map((millis, round) => millis - (native[round] ?? 0)))
    const within = median(facade) <= markRatio * median(native) + markMillis
    ratios.push(ratio)
    added.push(more)
    lines.push(
      `${title}: ${median(facade).toFixed(1)} ms through the facade, ${median(native).toFixed(1)} ms native, ratio ${ratio.toFixed(2)}, added ${more.toFixed(1)} ms, ${within ? 'within' : 'beyond'} the mark`,
    )
  }
  return {
    figures: {
      ratio: Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length),
      added_ms: median(added),
      worst_added_ms: Math.max(...added),
      import_rows_per_s: rows / seconds,
      ...(facade === undefined ? {} : { rss_mb: await residentMegabytes(facade) }),
    },
    notes: [
      ...lines,
      `median of ${rounds} interleaved rounds over ${rows} flights; native: DuckDB in the client's process, the same rows on disk in the same order, ${limits.threads} threads, results read into columns`,
      'rss_mb: memory of the facade in the end',
      `the mark of a query: at most ${markRatio} times native and ${markMillis} ms`,
      'servers, facade, worker, operator and load share this machine',
    ],
  }
}
