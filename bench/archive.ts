/** `archive`: rows a second from the log into the lake, held against the database writing the same rows from lines of JSON. */

import type { Bench } from './harness/bench.ts'
import { startLoad } from './harness/load.ts'
import { interleaved } from './harness/rounds.ts'
import { median, medianRatio } from './harness/statistics.ts'
import type { Archiving } from './load/archiving.ts'

const rows = { appended: 1_000_000, keyed: 100_000 }

export const archive: Bench = async ({ stack }, { rounds }, tell) => {
  const setup = {
    objectStore: { ...stack.objectStore, pathStyle: true },
    streams: { servers: stack.nats.servers, ...stack.nats.users.worker },
  }
  await using appended = await startLoad<Archiving>(new URL('load/archiving.ts', import.meta.url))
  await using keyed = await startLoad<Archiving>(new URL('load/archiving.ts', import.meta.url))
  tell('filling logs')
  await appended.call('open', { ...setup, rows: rows.appended, keyed: false })
  await keyed.call('open', { ...setup, rows: rows.keyed, keyed: true })
  const measured = await interleaved(
    rounds,
    {
      native: () => appended.call('native', undefined as never),
      archived: () => appended.call('archive', undefined as never),
      keyedNative: () => keyed.call('native', undefined as never),
      keyed: () => keyed.call('archive', undefined as never),
    },
    tell,
  )
  const result = {
    figures: {
      rows_per_s: median(measured.archived),
      native_rows_per_s: median(measured.native),
      ratio: medianRatio(measured.archived, measured.native),
      rss_mb: await appended.call('peakMegabytes', undefined as never),
      keyed_rows_per_s: median(measured.keyed),
      keyed_ratio: medianRatio(measured.keyed, measured.keyedNative),
      keyed_rss_mb: await keyed.call('peakMegabytes', undefined as never),
    },
    notes: [
      `median of ${rounds} interleaved rounds of ${rows.appended} flights appended, and of ${rows.keyed} with a key (rows and change files)`,
      'the rate of the database is that of reading lines of JSON from a local file and writing Parquet to one, on two threads',
    ],
  }
  await appended.call('close', undefined as never)
  await keyed.call('close', undefined as never)
  return result
}
