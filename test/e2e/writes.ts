/** Conditions, whole batches and retries, seen from outside: what must never happen, tried many times. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { StreamInfo } from '@nats-io/jetstream'
import { connectStreams, type Streams } from '../../backends/streams/connect.ts'
import { RpcError } from '../../facade/grpc/rpc-error.ts'
import type { Token } from '../../proto/gen/blasty/v1/common_pb.js'
import { type Client, openClient, type TableClient } from './client.ts'
import { type Following, follow } from './following.ts'
import { cuttingProxy } from './proxy.ts'
import { openScene, type Resource, type Scene } from './scene.ts'
import { eventually, type Setting } from './setting.ts'

const counters: Resource = {
  kind: 'Table',
  name: 'counters',
  spec: {
    columns: [
      { name: 'id', type: 'String' },
      { name: 'n', type: 'Int32' },
      { name: 'owner', type: 'String' },
    ],
    primaryKey: ['id'],
    log: { maxBytes: '64Mi' },
  },
}

/** Rows of a group are only ever written together. */
const groups = [2, 13, 100, 500]

export function describeWrites(setting: () => Setting): void {
  describe('writes', () => {
    let scene: Scene
    let client: Client
    let table: TableClient
    let streams: Streams
    let stream: string
    before(async () => {
      scene = await openScene(setting())
      await scene.apply(counters)
      await scene.wait('table/counters')
      client = await scene.owner('counters')
      table = client.table('counters')
      stream = await scene.field('table/counters', '{.status.external.stream}')
      const { nats } = setting().info
      streams = await connectStreams({ servers: nats.servers, ...nats.users.operator, name: 'test' })
    })
    after(async () => {
      await streams?.close()
      await scene?.[Symbol.asyncDispose]()
    })
    const log = async (): Promise<StreamInfo['state']> => (await streams.admin.streams.info(stream)).state

    it('of two that expect one revision, never both succeed', async () => {
      let { firstRevision: revision } = await table.put([{ id: 'raced', n: 0, owner: 'nobody' }])
      const wins: Record<string, number> = { ann: 0, bob: 0 }
      let last: Token | undefined
      for (let n = 1; n <= 100; n++) {
        const tries = await Promise.allSettled(
          Object.keys(wins).map(async owner => {
            return { owner, ...(await table.put([{ id: 'raced', n, owner }], { ifRevision: revision })) }
          }),
        )
        const won = tries.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []))
        for (const one of tries) if (one.status === 'rejected') refusedWith(one.reason, 'REVISION_CONFLICT')
        const [winner] = won
        assert.ok(winner && won.length === 1, `${won.length} of two succeeded`)
        const { row } = await table.get({ id: 'raced' }, winner.token)
        assert.deepEqual(row, { id: 'raced', n, owner: winner.owner })
        last = winner.token
        revision = winner.firstRevision
        wins[winner.owner] = (wins[winner.owner] ?? 0) + 1
      }
      const { rows } = await client.sql(`SELECT n FROM counters WHERE id = 'raced'`, last)
      assert.deepEqual(rows, [{ n: 100 }])
    })

    it('that count up by if_revision lose no count, however many do so', async () => {
      await table.put([{ id: 'shared', n: 0 }])
      let last: Awaited<ReturnType<typeof table.put>> | undefined
      const count = async () => {
        for (let done = 0; done < 15; ) {
          const { row, revision } = await table.get({ id: 'shared' })
          try {
            const written = await table.put([{ id: 'shared', n: Number(row.n) + 1 }], { ifRevision: revision })
            if (last === undefined || written.revision > last.revision) last = written
            done++
          } catch (error) {
            refusedWith(error, 'REVISION_CONFLICT')
          }
        }
      }
      await Promise.all([count(), count(), count(), count()])
      // Without its token the read may come before what the last write did.
      assert.equal((await table.get({ id: 'shared' }, last?.token)).row.n, 60)
    })

    it('of one batch are seen all or none by Get, List, SQL and a Watch', async () => {
      const rowsOf = (group: number, n: number) =>
        Array.from({ length: group }, (_, i) => ({
          id: `group-${group}-${String(i).padStart(3, '0')}`,
          n,
          owner: `g${group}`,
        }))
      for (const group of groups) await table.put(rowsOf(group, 0))
      const watch = follow(client, { table: table.ref, where: `owner LIKE 'g%'` })
      await watch.ready()
      const over = new AbortController()
      const counts = { sql: 0, list: 0, get: 0 }
      const sql = `SELECT owner, min(n) AS low, max(n) AS high, count(*) AS c FROM counters WHERE owner LIKE 'g%' GROUP BY owner`
      const readers = [
        async () => {
          const { rows } = await client.sql(sql)
          for (const { owner, low, high, c } of rows) assert.deepEqual([low, owner], [high, `g${c}`])
          counts.sql++
        },
        async () => {
          const seen = new Map<unknown, { size: number; values: Set<unknown> }>()
          for (const { row } of await table.list(170)) {
            if (!String(row.id).startsWith('group-')) continue
            const group = seen.get(row.owner) ?? { size: 0, values: new Set() }
            group.size++
            group.values.add(row.n)
            seen.set(row.owner, group)
          }
          assert.deepEqual(
            [...seen].map(([owner, { size, values }]) => [owner, size, values.size]),
            groups.map(group => [`g${group}`, group, 1]).sort(),
          )
          counts.list++
        },
        async () => {
          const keysJson = rowsOf(100, 0).map(({ id }) => JSON.stringify({ id }))
          const { results } = await client.queries.batchGet({ table: table.ref, keysJson })
          assert.equal(new Set(results.map(({ row }) => JSON.parse(row?.rowJson ?? '{}').n)).size, 1)
          counts.get++
        },
      ]
      const reading = readers.map(async read => {
        while (!over.signal.aborted) await read()
      })
      const rounds = 20
      const write = async (group: number) => {
        for (let n = 1; n <= rounds && !over.signal.aborted; n++) await table.put(rowsOf(group, n))
      }
      const writing = Promise.all(groups.map(write))
      const enough = () => eventually('every reader has read often', () => Math.min(...Object.values(counts)) >= 10)
      try {
        await Promise.race([writing.then(enough), Promise.all(reading)])
      } finally {
        over.abort()
        await Promise.all([writing, ...reading])
      }
      const every = groups.length * rounds
      await watch.until(
        'all batches',
        told => told.filter(({ new: row }) => String(row?.id).endsWith('-000')).length === every,
      )
      wholeBatches(watch, rounds)
      await watch.stop()
    })

    it('of a batch in which one condition fails leave nothing behind', async () => {
      const { firstRevision } = await table.put([{ id: 'held', n: 1 }])
      const before = await log()
      const batch = [
        { operation: { case: 'putRowJson', value: '{"id":"fresh","n":1}' } },
        {
          operation: { case: 'putRowJson', value: '{"id":"held","n":2}' },
          condition: { case: 'ifRevision', value: firstRevision + 1n },
        },
      ] as const
      await refused('REVISION_CONFLICT', client.mutations.write({ table: table.ref, mutations: [...batch] }))
      await refused('ROW_EXISTS', table.put([{ id: 'held', n: 3 }], { ifAbsent: true }))
      assert.equal((await log()).last_seq, before.last_seq)
      await refused('ROW_NOT_FOUND', table.get({ id: 'fresh' }))
    })

    it('whose answer was lost are not written again by a retry with the same mutation_id', async () => {
      const [host = '', port = ''] = setting().grpc.split(':')
      await using proxy = await cuttingProxy({ host, port: Number(port) })
      for (const rows of [1, 1, 5, 5, 50]) {
        const through = openClient(proxy.address, client)
        const lossy = through.table('counters')
        await lossy.get({ id: 'shared' })
        const before = (await log()).last_seq
        const batch = Array.from({ length: rows }, (_, n) => ({ id: `retried-${rows}-${n}`, n, owner: 'retry' }))
        const mutationId = `lost-${before}`
        proxy.swallowAnswers()
        const lost = lossy.put(batch, { mutationId })
        lost.catch(() => {})
        await eventually('the batch is stored', async () => (await log()).last_seq > before)
        proxy.cut()
        await assert.rejects(lost, (error: unknown) => error instanceof RpcError && error.status === 'UNAVAILABLE')
        const stored = (await log()).last_seq
        const again = await table.put(batch, { mutationId })
        assert.equal(again.replayed, true)
        assert.equal(again.revision, BigInt(stored))
        assert.equal((await log()).last_seq, stored)
        assert.equal(stored, before + rows + 1, 'the rows and the marker of the id')
        await refused('MUTATION_ID_REUSED', table.put([{ id: 'another', n: 1 }], { mutationId }))
        through.connection.close()
      }
    })

    it('that are sent twice at the same time with one mutation_id are written once', async () => {
      for (let round = 0; round < 10; round++) {
        const before = (await log()).last_seq
        const send = () => table.put([{ id: 'twice', n: round }], { mutationId: `twice-${round}` })
        const answers = await Promise.all([send(), send(), send()])
        assert.equal(answers.filter(({ replayed }) => !replayed).length, 1)
        assert.equal(new Set(answers.map(({ revision }) => revision)).size, 1)
        assert.equal((await log()).last_seq, before + 2)
      }
    })
  })
}

/** What is told as one holds groups whole, each at its next value. Small batches of different clients may share a cursor. */
function wholeBatches({ batches }: Following, rounds: number): void {
  const values = new Map(groups.map(group => [`g${group}`, 0]))
  for (const { events } of batches) {
    for (const [owner, told] of Map.groupBy(events, event => String(event.new?.owner))) {
      const n = (values.get(owner) ?? 0) + 1
      assert.equal(owner, `g${told.length}`)
      assert.ok(told.every(event => event.new?.n === n && event.old?.n === n - 1))
      values.set(owner, n)
    }
  }
  assert.deepEqual(
    [...values.values()],
    groups.map(() => rounds),
  )
}

export function refusedWith(error: unknown, reason: string): asserts error is RpcError {
  assert.ok(error instanceof RpcError, String(error))
  assert.equal(error.reason, reason, error.message)
}

/** The error with which a call is refused; fails when it is not, or with another. */
export async function refused(reason: string, call: Promise<unknown>): Promise<RpcError> {
  const error: unknown = await call.then(
    () => assert.fail(`expected ${reason}`),
    (failure: unknown) => failure,
  )
  refusedWith(error, reason)
  return error
}
