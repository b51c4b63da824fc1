/** Load of `search`: the same queries through the facade and straight at the search server. */

import { type Index, Meilisearch } from 'meilisearch'
import { connect, type ServiceClient } from '../../facade/grpc/client.ts'
import { MutationService } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { SearchService } from '../../proto/gen/blasty/v1/search_service_pb.js'
import { monotonicMillis, perSecond } from '../harness/clock.ts'
import { filmRows } from '../harness/films.ts'
import { serveLoad } from '../harness/load.ts'
import { onceServed } from '../harness/served.ts'

export type SearcherSetup = {
  readonly grpc: string
  readonly token: string
  readonly namespace: string
  /** Name of the Table and of its Index. */
  readonly name: string
  /** The search server, and the name that the Index has there. */
  readonly search: { readonly host: string; readonly key: string; readonly index: string }
}

type Way = 'facade' | 'direct'
type Open = {
  readonly setup: SearcherSetup
  readonly service: ServiceClient<typeof SearchService>
  readonly index: Index
}

/** What people type: words, beginnings, typos. */
const queries = [
  'star',
  'love',
  'jurasick',
  'bravehart',
  'spielberg',
  'man of',
  'dark night',
  'new york',
  'warr',
  'lord of the',
]
const facet = 'genre'
const least = 6
const limit = 20
const patienceSeconds = 60

let open: Open | undefined

function opened(): Open {
  if (open === undefined) throw new Error('the load program was not opened')
  return open
}

/** One search; resolves with the number of hits. */
async function search(way: Way, q: string): Promise<number> {
  const { setup, service, index } = opened()
  if (way === 'direct') {
    const { hits } = await index.search(q, { facets: [facet], filter: `imdb_rating >= ${least}`, limit })
    return hits.length
  }
  const ref = { namespace: setup.namespace, name: setup.name }
  const { hits } = await service.search({ index: ref, q, facets: [facet], where: `imdb_rating >= ${least}`, limit })
  return hits.length
}

const functions = {
  /** Connects, fills the Table and waits until its Index holds everything. */
  async open({ setup, rows }: { setup: SearcherSetup; rows: number }): Promise<void> {
    const connection = connect(setup.grpc, { token: setup.token })
    const index = new Meilisearch({ host: setup.search.host, apiKey: setup.search.key }).index(setup.search.index)
    open = { setup, service: connection.service(SearchService), index }
    const table = { namespace: setup.namespace, name: setup.name }
    const mutations = connection.service(MutationService)
    const rowOf = filmRows()
    const mutation = { operation: { case: 'putRowJson' as const, value: JSON.stringify(rowOf(1)) } }
    await onceServed(() => mutations.write({ table, mutations: [mutation] }))
    const requests = async function* () {
      yield { message: { case: 'open' as const, value: { table, importId: 'fill' } } }
      const chunk = 998
      for (let from = 1, number = 1n; from <= rows; from += chunk, number++) {
        const ids = Array.from({ length: Math.min(chunk, rows - from + 1) }, (_, offset) => from + offset)
        yield {
          message: { case: 'chunk' as const, value: { number, rowsJson: ids.map(id => JSON.stringify(rowOf(id))) } },
        }
      }
    }
    for await (const { message } of mutations.import(requests())) {
      if (message.case !== 'summary') continue
      const request = {
        index: table,
        q: 'star',
        limit: 1,
        ...(message.value.token && { minToken: message.value.token }),
      }
      await onceServed(() => opened().service.search(request, { timeoutMs: patienceSeconds * 1000 }))
    }
    for (const q of queries) {
      const found = await Promise.all([search('facade', q), search('direct', q)])
      if (found[0] !== found[1])
        throw new Error(`"${q}" finds ${found[0]} films through the facade and ${found[1]} without`)
    }
  },

  /** Searches one after another; resolves with how long each took, in milliseconds. */
  async latencies({ way, turns }: { way: Way; turns: number }): Promise<Float64Array> {
    const samples = new Float64Array(turns * queries.length)
    for (let i = 0; i < samples.length; i++) {
      const begin = monotonicMillis()
      await search(way, queries[i % queries.length] ?? '')
      samples[i] = monotonicMillis() - begin
    }
    return samples
  },

  /** Searches from many clients at once; resolves with searches a second. */
  async throughput({ way, seconds, clients }: { way: Way; seconds: number; clients: number }): Promise<number> {
    let turn = 0
    return perSecond(seconds, clients, async () => {
      await search(way, queries[turn++ % queries.length] ?? '')
    })
  },
}

export type Searcher = typeof functions

serveLoad(functions)
