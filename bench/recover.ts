/** `recover`: seconds until a replica with an empty cache serves SQL over rows that lie in the lake alone. */

import type { Bench } from './harness/bench.ts'
import { startLoad } from './harness/load.ts'
import { median } from './harness/statistics.ts'
import type { Archiving } from './load/archiving.ts'

const rows = 3_000_000
const keyedRows = 500_000

export const recover: Bench = async ({ stack }, { rounds }, tell) => {
  const setup = {
    objectStore: { ...stack.objectStore, pathStyle: true },
    streams: { servers: stack.nats.servers, ...stack.nats.users.worker },
  }
  const measure = async (count: number, keyed: boolean) => {
    await using load = await startLoad<Archiving>(new URL('load/archiving.ts', import.meta.url))
    tell(`filling and archiving ${count} rows`)
    await load.call('open', { ...setup, rows: count, keyed })
    await load.call('archive', undefined as never)
    const found: number[] = []
    for (let round = 1; round <= rounds; round++) {
      found.push(await load.call('recover', undefined as never))
      tell(`round ${round} of ${rounds}: ${found.at(-1)?.toFixed(2)} s`)
    }
    const megabytes = await load.call('peakMegabytes', undefined as never)
    await load.call('close', undefined as never)
    return { seconds: median(found), megabytes }
  }
  const [appended, keyed] = [await measure(rows, false), await measure(keyedRows, true)]
  return {
    figures: {
      seconds: appended.seconds,
      rows,
      rss_mb: appended.megabytes,
      keyed_seconds: keyed.seconds,
      keyed_rows: keyedRows,
      keyed_rss_mb: keyed.megabytes,
    },
    notes: [
      `median of ${rounds} replicas opened one after another with empty caches, until SQL answers; those of the keyed Table have their rows by key too`,
      'rss_mb: the most memory during the last of them, of a process that has filled and archived the Table before',
    ],
  }
}
