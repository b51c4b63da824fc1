/** `freshness`: how long after a write was due a live subscriber and SQL have it, while rows are written at a steady rate. */

import type { Bench } from './harness/bench.ts'
import { filmsTable } from './harness/films.ts'
import { startLoad } from './harness/load.ts'
import { processorTimes, spent } from './harness/processor.ts'
import { readyTable } from './harness/resources.ts'
import { percentile } from './harness/statistics.ts'
import type { FreshWriter } from './load/fresh-writer.ts'
import type { Reader } from './load/reader.ts'
import type { Watcher } from './load/watcher.ts'

/** Rows that the Table holds, changed at random. */
const rows = 20_000
const warmUpSeconds = 10
const sqlRate = 20
/** How long the last events may take before they count as lost. */
const patienceSeconds = 10

export const freshness: Bench = async (environment, { rate, seconds }, tell) => {
  const { grpc, namespace } = environment
  const table = { namespace, name: 'films' }
  const token = await readyTable(environment, table.name, filmsTable)
  const setup = { grpc, token, table }
  await using writer = await startLoad<FreshWriter>(new URL('load/fresh-writer.ts', import.meta.url))
  await using watcher = await startLoad<Watcher>(new URL('load/watcher.ts', import.meta.url))
  await using reader = await startLoad<Reader>(new URL('load/reader.ts', import.meta.url))
  tell(`filling the table with ${rows} rows`)
  await writer.call('open', setup)
  await writer.call('fill', { rows })
  await watcher.call('open', setup)
  await reader.call('open', setup)

  let sqlRow = rows + 1
  const measure = async (lasting: number) => {
    const count = rate * lasting
    const sqlCount = sqlRate * lasting
    const first = sqlRow
    sqlRow += sqlCount
    const before = processorTimes()
    const [written, sql] = await Promise.all([
      writer.call('write', { rows, rate, count }),
      reader.call('read', { rate: sqlRate, count: sqlCount, first }),
    ])
    const subscriber = await watcher.call('take', { count, seconds: patienceSeconds })
    if (subscriber.length !== count)
      throw new Error(`the subscriber got ${subscriber.length} events of ${count} writes`)
    return { written, sql, subscriber, times: spent(before, processorTimes(), count) }
  }
  tell(`warming up for ${warmUpSeconds} s`)
  await measure(warmUpSeconds)
  tell(`measuring for ${seconds} s`)
  const { written, sql, subscriber, times } = await measure(seconds)
  return {
    figures: {
      sql_p50_ms: percentile(sql, 0.5),
      sql_p99_ms: percentile(sql, 0.99),
      subscriber_p50_ms: percentile(subscriber, 0.5),
      subscriber_p99_ms: percentile(subscriber, 0.99),
      write_p50_ms: percentile(written, 0.5),
      write_p99_ms: percentile(written, 0.99),
    },
    notes: [
      `${rate} single-row writes a second for ${seconds} s over ${rows} rows; latencies from when a write was due; ${subscriber.length} samples of the subscriber, ${sql.length} of SQL`,
      ...(times === '' ? [] : [`processor time a write: ${times}`]),
      'servers, facade, worker, operator and load share this machine',
    ],
  }
}
