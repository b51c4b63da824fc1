/** Load of `freshness`: single-row writes at a steady rate, each row saying when it was due. */

import { create, toBinary } from '@bufbuild/protobuf'
import { connect, type ServiceClient } from '../../facade/grpc/client.ts'
import { MutationService, WriteRequestSchema } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { monotonicMillis, paced } from '../harness/clock.ts'
import { filmRows } from '../harness/films.ts'
import { serveLoad } from '../harness/load.ts'
import { onceServed } from '../harness/served.ts'
import { connectFrames, type FrameClient } from './frames.ts'

type Setup = { readonly grpc: string; readonly token: string; readonly table: { namespace: string; name: string } }

const maxInFlight = 512
const writePath = `/${MutationService.typeName}/${MutationService.method.write.name}`
const rowOf = filmRows()
let opened: { readonly mutations: ServiceClient<typeof MutationService>; readonly frames: FrameClient } | undefined
let table: Setup['table'] = { namespace: '', name: '' }

function clients() {
  if (opened === undefined) throw new Error('the load program was not opened')
  return opened
}

const functions = {
  async open(setup: Setup): Promise<void> {
    table = setup.table
    const mutations = connect(setup.grpc, { token: setup.token }).service(MutationService)
    opened = { mutations, frames: connectFrames(setup.grpc, setup.token) }
    await onceServed(() => mutations.write({ table, mutations: [putOf(1, 0)] }))
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
    for await (const { message } of clients().mutations.import(requests())) {
      if (message.case === 'summary' && Number(message.value.rows) !== rows) throw new Error('rows are missing')
    }
  },

  /**
   * Changes rows 1 to `rows` at random, `rate` a second, and resolves when all writes are acknowledged with how long each
   * took from when it was due, in milliseconds.
   */
  async write({ rows, rate, count }: { rows: number; rate: number; count: number }): Promise<Float64Array> {
    const { frames } = clients()
    const latencies = new Float64Array(count)
    await paced({ rate, count, maxInFlight }, async (index, due) => {
      const mutation = putOf(1 + Math.floor(Math.random() * rows), due)
      const request = create(WriteRequestSchema, { table, mutations: [mutation] })
      await frames.call(writePath, toBinary(WriteRequestSchema, request))
      latencies[index] = monotonicMillis() - due
    })
    return latencies
  },
}

function putOf(id: number, due: number) {
  const value = JSON.stringify({ ...rowOf(id), due })
  return { operation: { case: 'putRowJson' as const, value } }
}

export type FreshWriter = typeof functions

serveLoad(functions)
