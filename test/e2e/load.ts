/**
 * A steady load with a ledger: writers that retry until each write is acknowledged, readers that check what they are
 * answered, a Watch and a Consume that begin again where they were. In the end everything must agree with the ledger.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { RpcError } from '../../facade/grpc/rpc-error.ts'
import { AckLevel, type Token } from '../../proto/gen/blasty/v1/common_pb.js'
import type { Client, TableClient } from './client.ts'
import { consume, type Delivered, follow, type Told } from './following.ts'
import { checkEvents, checkRows, firstDeliveries, idOf } from './ledger.ts'
import { eventually } from './setting.ts'

const writers = ['ann', 'bob', 'cy']
const pauseMillis = 15
/** Of a Subscription that says nothing else (crds/blasty.dev_subscriptions.yaml). */
const ackWaitSeconds = 30

type Ack = { readonly n: number; readonly token: Token }

export type Load = {
  /** Waits until every writer has had this many more writes acknowledged. */
  readonly goesOn: (writes?: number) => Promise<void>
  /** Ends the writers when all they began is acknowledged. */
  readonly stop: () => Promise<void>
  /** Compares everything that can be read with the ledger; after `stop`. */
  readonly check: () => Promise<void>
  /** How often the Watch was interrupted. */
  readonly restarts: () => number
}

/**
 * `client` writes and consumes. `watching` is the caller that watches, perhaps on a connection that is cut now and then, and `reading`
 * the one that reads, perhaps of another facade; what it reads in the end is compared too.
 */
export async function startLoad(client: Client, watching: Client, reading = client): Promise<Load> {
  const table = client.table('ledger')
  const watch = keepWatching(watching, table.ref)
  await watch.ready()
  const stopping = new AbortController()
  const acked = new Map<string, Ack[]>(writers.map(writer => [writer, []]))
  let fault: unknown
  const failed = (error: unknown) => {
    fault ??= error
    stopping.abort()
  }
  const begun = writers.map(writer => write(table, writer, acked.get(writer) ?? [], stopping.signal))
  const readers = [
    readByKey(reading.table('ledger'), acked, stopping.signal),
    readBySql(reading, acked, stopping.signal),
  ]
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
      await checkRows(reading, counts, last.token)
      await eventually('the watch tells the last row', () => {
        healthy()
        return watch.told.some(({ new: row }) => row?.id === 'last')
      })
      await eventually('the last row is delivered', () => {
        healthy()
        return consumer.delivered.some(({ new: row }) => row?.id === 'last')
      })
      // What was on its way to a facade or a streams server that was killed comes again when its time for an answer has passed.
      const events = [...counts.values()].reduce((sum, count) => sum + 2 * count, 1)
      const all = () => firstDeliveries(consumer.delivered).length >= events
      await eventually('every event is delivered', all, ackWaitSeconds + 15).catch(() => {}) // Which is missing is told below.
      await Promise.all([watch.stop(), consumer.stop()])
      healthy()
      checkEvents('the Watch', watch.told, counts)
      checkEvents('the Subscription', firstDeliveries(consumer.delivered), counts)
    },
    restarts: watch.restarts,
  }
}

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
  let current = follow(client, { table: ref, where: 'n > 0' })
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
        if (cursor === undefined) throw new Error('the watch was never ready')
        const start = { case: 'after' as const, value: cursor }
        current = follow(client, { table: ref, start, where: 'n > 0' })
      }
      await sleep(pauseMillis)
    }
  }
  return {
    told,
    ready: () => current.ready(),
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
