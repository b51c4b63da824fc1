/**
 * A steady load with a ledger: writers that retry until each write is acknowledged, readers that check what they are
 * answered, a Watch and a Consume that begin again where they were. In the end everything must agree with the ledger.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { RpcError } from '../../facade/grpc/rpc-error.ts'
import { AckLevel, type Token } from '../../proto/gen/blasty/v1/common_pb.js'
import type { Client, Json, TableClient } from './client.ts'
import { consume, type Delivered, follow, type Told } from './following.ts'
import type { Resource } from './scene.ts'
import { eventually } from './setting.ts'

/** Each write is a batch of a row of its own and of the writer's pulse, whose `n` counts up. */
export const ledgerResources: readonly Resource[] = [
  {
    kind: 'Table',
    name: 'ledger',
    spec: {
      columns: [
        { name: 'id', type: 'String' },
        { name: 'n', type: 'Int32' },
        { name: 'text', type: 'String' },
      ],
      primaryKey: ['id'],
      log: { maxBytes: '256Mi' },
    },
  },
  { kind: 'Index', name: 'ledger', spec: { tableRef: { name: 'ledger' }, searchable: ['text'], filterable: ['n'] } },
  {
    kind: 'Subscription',
    name: 'ledger',
    spec: { tableRef: { name: 'ledger' }, where: `n > 0`, start: { from: 'Snapshot' } },
  },
]

const writers = ['ann', 'bob', 'cy']
const pauseMillis = 15

type Ack = { readonly n: number; readonly token: Token }

export type Load = {
  /** Waits until every writer has had this many more writes acknowledged. */
  readonly goesOn: (writes?: number) => Promise<void>
  /** Ends the writers when all they began is acknowledged. */
  readonly stop: () => Promise<void>
  /** Compares everything that can be read with the ledger; after `stop`. */
  readonly check: () => Promise<void>
}

/** `watching` is the caller that watches, perhaps on a connection that is cut now and then. */
export function startLoad(client: Client, watching: Client): Load {
  const table = client.table('ledger')
  const stopping = new AbortController()
  const acked = new Map<string, Ack[]>(writers.map(writer => [writer, []]))
  let fault: unknown
  const failed = (error: unknown) => {
    fault ??= error
    stopping.abort()
  }
  const begun = writers.map(writer => write(table, writer, acked.get(writer) ?? [], stopping.signal))
  const readers = [readByKey(table, acked, stopping.signal), readBySql(client, acked, stopping.signal)]
  const watch = keepWatching(watching, table.ref)
  const consumer = keepConsuming(client)
  for (const one of [...begun, ...readers, watch.done, consumer.done]) one.catch(failed)
  const healthy = () => {
    if (fault !== undefined) throw fault
  }
  return {
    goesOn: async (writes = 10) => {
      const goals = [...acked.values()].map(acks => ({ acks, goal: acks.length + writes }))
      await eventually(
        'the writers go on',
        () => {
          healthy()
          return goals.every(({ acks, goal }) => acks.length >= goal)
        },
        60,
      )
    },
    stop: async () => {
      stopping.abort()
      await Promise.all([...begun, ...readers])
      healthy()
    },
    check: async () => {
      const counts = new Map([...acked].map(([writer, acks]) => [writer, acks.length]))
      const last = await table.put([{ id: 'last', n: 1, text: 'the last row' }], { ackLevel: AckLevel.SEARCHABLE })
      assert.equal(last.ackLevel, AckLevel.SEARCHABLE)
      await checkRows(client, counts, last.token)
      await eventually('the watch tells the last row', () => {
        healthy()
        return watch.told.some(({ new: row }) => row?.id === 'last')
      })
      await eventually('the last row is delivered', () => {
        healthy()
        return consumer.delivered.some(({ new: row }) => row?.id === 'last')
      })
      await Promise.all([watch.stop(), consumer.stop()])
      healthy()
      checkEvents('the Watch', watch.told, counts)
      checkEvents('the Subscription', firstDeliveries(consumer.delivered), counts)
      assert.ok(watch.restarts() > 0, 'the Watch was never interrupted')
    },
  }
}

const idOf = (writer: string, n: number): string => `${writer}-${String(n).padStart(6, '0')}`

/** True for a failure after which the same request may be sent again. */
export function mayRetry(error: unknown): boolean {
  if (!(error instanceof RpcError)) return false
  return error.retryAfterSeconds !== undefined || error.status === 'UNAVAILABLE' || error.status === 'DEADLINE_EXCEEDED'
}

async function write(table: TableClient, writer: string, acks: Ack[], signal: AbortSignal): Promise<void> {
  for (let n = 1; !signal.aborted; n++) {
    const id = idOf(writer, n)
    const rows = [
      { id, n, text: `row ${n} of ${writer}` },
      { id: `pulse-${writer}`, n, text: 'pulse' },
    ]
    const { token } = await untilDone(() => table.put(rows, { mutationId: id, timeoutMs: 5000 }))
    assert.ok(token)
    acks.push({ n, token })
    await sleep(pauseMillis)
  }
}

/** Sends until there is an answer. */
async function untilDone<T>(send: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await send()
    } catch (error) {
      if (!mayRetry(error)) throw error
      await sleep(pauseMillis)
    }
  }
}

/** What was acknowledged is there at its token, whatever has happened since. */
async function readByKey(table: TableClient, acked: Map<string, Ack[]>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const [writer, acks] of acked) {
      const ack = acks.at(-1)
      if (ack === undefined) continue
      const answer = await read(() => table.get({ id: `pulse-${writer}` }, ack.token))
      if (answer !== undefined) assert.ok(Number(answer.row.n) >= ack.n, `${writer}: ${answer.row.n} after ${ack.n}`)
    }
    await sleep(pauseMillis)
  }
}

async function readBySql(client: Client, acked: Map<string, Ack[]>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const [writer, acks] of acked) {
      const ack = acks.at(-1)
      if (ack === undefined) continue
      const sql = `SELECT count(*) AS c, max(n) AS high FROM ledger WHERE id LIKE '${writer}-%'`
      const answer = await read(() => client.sql(sql, ack.token))
      const [row] = answer?.rows ?? []
      if (row === undefined) continue
      assert.ok(Number(row.c) >= ack.n, `${writer}: ${row.c} rows after ${ack.n}`)
      assert.equal(Number(row.c), row.high, `${writer}: rows are missing`)
    }
    await sleep(pauseMillis * 5)
  }
}

/** The answer, or nothing when the server is away just now. */
async function read<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (mayRetry(error)) return undefined
    throw error
  }
}

/** Watches for good: what ends it for a while is followed by a new Watch behind the last cursor. */
function keepWatching(client: Client, ref: TableClient['ref']) {
  const told: Told[] = []
  let restarts = 0
  let stopped = false
  let current = follow(client, { table: ref, start: { case: 'snapshot', value: {} }, where: 'n > 0' })
  const run = async () => {
    let taken = 0
    let cursor = current.cursor()
    while (!stopped) {
      for (; taken < current.batches.length; taken++) told.push(...(current.batches[taken]?.events ?? []))
      cursor = current.cursor() ?? cursor
      if (current.failure() !== undefined && !stopped) {
        if (!mayRetry(current.failure())) throw current.failure()
        if (taken < current.batches.length) continue
        restarts++
        taken = 0
        const start =
          cursor === undefined ? { case: 'snapshot' as const, value: {} } : { case: 'after' as const, value: cursor }
        current = follow(client, { table: ref, start, where: 'n > 0' })
      }
      await sleep(pauseMillis)
    }
  }
  return {
    told,
    restarts: () => restarts,
    done: run(),
    stop: async () => {
      stopped = true
      await current.stop()
    },
  }
}

function keepConsuming(client: Client) {
  const delivered: Delivered[] = []
  let stopped = false
  let current = consume(client, 'ledger')
  const run = async () => {
    let taken = 0
    while (!stopped) {
      for (; taken < current.deliveries.length; taken++) delivered.push(...current.deliveries.slice(taken, taken + 1))
      if (current.failure() !== undefined && !stopped) {
        if (!mayRetry(current.failure())) throw current.failure()
        taken = 0
        current = consume(client, 'ledger')
      }
      await sleep(pauseMillis)
    }
  }
  return {
    delivered,
    done: run(),
    stop: async () => {
      stopped = true
      await current.stop()
    },
  }
}

/** An event whose acknowledgement was lost comes again under its sequence; that is no second event. */
function firstDeliveries(delivered: readonly Delivered[]): Told[] {
  const bySequence = new Map<bigint, Delivered>()
  for (const one of delivered) if (!bySequence.has(one.sequence)) bySequence.set(one.sequence, one)
  return [...bySequence.values()].sort((a, b) => Number(a.sequence - b.sequence))
}

/** Get, List, SQL and search hold every row acknowledged, and no other. */
async function checkRows(client: Client, counts: Map<string, number>, token: Token | undefined): Promise<void> {
  const table = client.table('ledger')
  const wanted = new Map<string, number>([['last', 1]])
  for (const [writer, count] of counts) {
    for (let n = 1; n <= count; n++) wanted.set(idOf(writer, n), n)
    wanted.set(`pulse-${writer}`, count)
  }
  const ids = [...wanted.keys()].sort()
  const expected = ids.map(id => [id, wanted.get(id)])
  const pairs = (rows: readonly Json[]) => rows.map(({ id, n }) => [id, n])
  assert.deepEqual(pairs((await table.list(1000, token)).map(({ row }) => row)), expected)
  const { rows } = await client.sql('SELECT id, n FROM ledger ORDER BY id', token)
  assert.deepEqual(pairs(rows), expected)
  for (let at = 0; at < ids.length; at += 1000) {
    const keysJson = ids.slice(at, at + 1000).map(id => JSON.stringify({ id }))
    const { results } = await client.queries.batchGet({ table: table.ref, keysJson })
    assert.ok(results.every(({ row }) => row !== undefined))
  }
  const index = { namespace: client.namespace, name: 'ledger' }
  const found: string[] = []
  // A search gives a thousand hits at most.
  for (let from = 1; from <= Math.max(...counts.values()); from += 250) {
    const where = `n >= ${from} AND n < ${from + 250}`
    const { hits } = await client.searches.search({ index, where, limit: 1000, ...(token && { minToken: token }) })
    found.push(...hits.map(({ keyJson }) => JSON.parse(keyJson).id))
  }
  assert.deepEqual(found.sort(), ids)
  for (const [writer, n] of counts) {
    const { hits } = await client.searches.search({ index, q: `"row ${n} of ${writer}"`, limit: 5 })
    assert.deepEqual(
      hits.map(({ keyJson }) => JSON.parse(keyJson).id),
      [idOf(writer, n)],
    )
  }
}

/** Every row entered once, and every pulse went up by one from event to event. */
function checkEvents(who: string, told: readonly Told[], counts: Map<string, number>): void {
  for (const [writer, count] of counts) {
    const own = told.filter(({ new: row }) => String(row?.id).startsWith(`${writer}-`))
    const wanted = Array.from({ length: count }, (_, i) => ['ENTER', idOf(writer, i + 1)])
    assert.deepEqual(
      own.map(({ kind, new: row }) => [kind, row?.id]),
      wanted,
      `${who}: the rows of ${writer}`,
    )
    const pulses = told.filter(({ new: row }) => row?.id === `pulse-${writer}`)
    assert.deepEqual(
      pulses.map(({ old, new: row }) => [old?.n, row?.n]),
      Array.from({ length: count }, (_, i) => [i === 0 ? undefined : i, i + 1]),
      `${who}: the pulse of ${writer}`,
    )
  }
}
