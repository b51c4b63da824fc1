/** Load of `freshness`: single-row writes at a steady rate, each row saying when it was due. */

import { connect, type ServiceClient } from '../../facade/grpc/client.ts'
import { MutationService } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { monotonicMillis, paced } from '../harness/clock.ts'
import { filmRows } from '../harness/films.ts'
import { serveLoad } from '../harness/load.ts'
import { onceServed } from '../harness/served.ts'

type Setup = { readonly grpc: string; readonly token: string; readonly table: { namespace: string; name: string } }

const maxInFlight = 512
const rowOf = filmRows()
let mutations: ServiceClient<typeof MutationService> | undefined
let table: Setup['table'] = { namespace: '', name: '' }

function client(): ServiceClient<typeof MutationService> {
  if (mutations === undefined) throw new Error('the load program was not opened')
  return mutations
}

const functions = {
  async open(setup: Setup): Promise<void> {
    table = setup.table
    mutations = connect(setup.grpc, { token: setup.token }).service(MutationService)
    await onceServed(() => put(1, 0))
  },

  /** Fills the Table with rows 1 to `rows`, none of them due. */
  async fill({ rows }: { rows: number }): Promise<void> {
    const chunk = 998
    const requests = async function* () {
      yield { message: { case: 'open' as const, value: { table, importId: 'fill' } } }
      for (let from = 1, number = 1n; from <= rows; from += chunk, number++) {
        const ids = Array.from({ length: Math.min(chunk, rows - from + 1) }, (_, index) => from + index)
        const rowsJson = ids.map(id => JSON.stringify({ ...rowOf(id), due: 0 }))
        yield { message: { case: 'chunk' as const, value: { number, rowsJson } } }
      }
    }
    for await (const { message } of client().import(requests())) {
      if (message.case === 'summary' && Number(message.value.rows) !== rows) throw new Error('rows are missing')
    }
  },

  /**
   * Changes rows 1 to `rows` at random, `rate` a second, and resolves when all writes are acknowledged with how long each
   * took from when it was due, in milliseconds.
   */
  async write({ rows, rate, count }: { rows: number; rate: number; count: number }): Promise<Float64Array> {
    const latencies = new Float64Array(count)
    await paced({ rate, count, maxInFlight }, async (index, due) => {
      await put(1 + Math.floor(Math.random() * rows), due)
      latencies[index] = monotonicMillis() - due
    })
    return latencies
  },
}

async function put(id: number, due: number): Promise<void> {
  const value = JSON.stringify({ ...rowOf(id), due })
  await client().write({ table, mutations: [{ operation: { case: 'putRowJson', value } }] })
}

export type FreshWriter = typeof functions

serveLoad(functions)
