/** `search`: what going through the facade adds to a search, over the same queries straight at the search server. */

import { indexes } from '../directory/kinds.ts'
import { keyFor } from '../operator/mod.ts'
import type { Bench } from './harness/bench.ts'
import { filmsTable } from './harness/films.ts'
import { startLoad } from './harness/load.ts'
import { readyTable, untilReady } from './harness/resources.ts'
import { interleaved } from './harness/rounds.ts'
import { median, medianRatio, percentile } from './harness/statistics.ts'
import type { Searcher } from './load/searcher.ts'

const name = 'films'
const rows = 10_000
/** How often a round asks each of the ten queries. */
const turns = 10
const seconds = 2
const clients = 16

const indexSpec = {
  tableRef: { name },
  searchable: ['title', 'director', 'distributor'],
  filterable: ['genre', 'rating', 'released', 'imdb_rating'],
  sortable: ['released', 'imdb_rating'],
}

export const search: Bench = async (environment, { rounds }, tell) => {
  const { stack, grpc, namespace, client } = environment
  const token = await readyTable(environment, name, filmsTable)
  await client.create(indexes, { metadata: { name, namespace }, spec: indexSpec }, namespace)
  await untilReady(environment, indexes, [name])
  const { status } = await client.get(indexes, keyFor(name, namespace))
  const { host, key, kind } = stack.search
  const index = status.external?.index ?? ''
  await using load = await startLoad<Searcher>(new URL('load/searcher.ts', import.meta.url))
  tell(`filling and indexing ${rows} rows`)
  await load.call('open', { setup: { grpc, token, namespace, name, search: { host, key, index } }, rows })

  const measured = await interleaved(
    rounds,
    {
      direct_p50_ms: async () => percentile(await load.call('latencies', { way: 'direct', turns }), 0.5),
      facade_p50_ms: async () => percentile(await load.call('latencies', { way: 'facade', turns }), 0.5),
      direct_per_s: () => load.call('throughput', { way: 'direct', seconds, clients }),
      facade_per_s: () => load.call('throughput', { way: 'facade', seconds, clients }),
    },
    tell,
  )
  return {
    figures: {
      added_p50_ms: median(measured.facade_p50_ms.map((value, round) => value - (measured.direct_p50_ms[round] ?? 0))),
      per_s_ratio: medianRatio(measured.facade_per_s, measured.direct_per_s),
      facade_p50_ms: median(measured.facade_p50_ms),
      direct_p50_ms: median(measured.direct_p50_ms),
      facade_per_s: median(measured.facade_per_s),
      direct_per_s: median(measured.direct_per_s),
    },
    notes: [
      `the search server is ${kind === 'meilisearch' ? 'Meilisearch' : 'a stand-in with the API of Meilisearch'}`,
      `median of ${rounds} interleaved rounds over ${rows} films: ten queries with a facet and a filter, one after another and from ${clients} clients`,
      'servers, facade, worker, operator and load share this machine',
    ],
  }
}
