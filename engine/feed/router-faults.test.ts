/** A router whose every publish fails once, in each way, and that is killed at each: its stream holds each event once. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { Streams } from '../../backends/streams/connect.ts'
import type { Row } from '../schema/schema.ts'
import { filmSchema, patience } from '../testing.ts'
import { faultyStreams, type PublishFault } from '../testing-faults.ts'
import { type TestTable, testTable } from '../testing-table.ts'
import { type RouterStart, route } from './router.ts'
import {
  type Checkpoint,
  consumerName,
  eventSubject,
  type SubscriptionEvent,
  subscriptionConsumerConfig,
  subscriptionStreamConfig,
} from './subscription-stream.ts'

const recent = (row: Row) => Number(row.year) >= 2000
const options = () => ({ principal: 'p', schema: 1, signal: patience() })

/** Rows that come, change and go; returns the end of the log. */
async function write(on: TestTable, rounds: readonly number[]): Promise<number> {
  const { table, close } = await on.open(`writer-${randomUUID()}`)
  let last = 0
  for (const round of rounds) {
    const changes = Array.from({ length: 300 }, (_, i) => ({
      op: (i + round) % 11 === 0 ? ('delete' as const) : ('put' as const),
      row: (i + round) % 11 === 0 ? { id: `k${i}` } : { id: `k${i}`, year: 1990 + ((i * 7 + round * 3) % 30) },
    }))
    last = (await table.writer.write(changes, options())).revision
  }
  await close()
  return last
}

async function eventsIn(streams: Streams, stream: string): Promise<SubscriptionEvent[]> {
  const subject = eventSubject(stream)
  await streams.admin.consumers.add(stream, subscriptionConsumerConfig({ stream, ackWaitSeconds: 60, maxDeliver: 1 }))
  const consumer = await streams.client.consumers.get(stream, consumerName)
  const { state } = await streams.admin.streams.info(stream, { subjects_filter: subject })
  const wanted = state.subjects?.[subject] ?? 0
  const events: SubscriptionEvent[] = []
  while (events.length < wanted) {
    for await (const message of await consumer.fetch({ max_messages: wanted - events.length, expires: 5000 }))
      events.push(message.json<SubscriptionEvent>())
  }
  return events
}

/** Folds the events, each of which must follow from those before; returns the revision of each row that is in. */
function folded(events: readonly SubscriptionEvent[]): [string, number][] {
  const state = new Map<string, number>()
  for (const { kind, old, new: next, revision } of events) {
    const id = String((((kind === 'LEAVE' ? old : next) ?? {}) as Row).id)
    assert.equal(state.has(id), kind !== 'ENTER', `${kind} ${id} at ${revision}`)
    if (kind === 'LEAVE') state.delete(id)
    else state.set(id, revision)
  }
  return [...state].sort(([a], [b]) => (a < b ? -1 : 1))
}

async function rowsIn(on: TestTable, last: number): Promise<[string, number][]> {
  const { table, close } = await on.open('truth')
  const replica = await table.reached(last, 'rows', patience())
  const snapshot = replica.snapshot()
  const rows = [...snapshot.rows()].flatMap(({ row }): [string, number][] => {
    const values = row.row(table.schemas.codec)
    return recent(values) ? [[String(values.id), row.revision]] : []
  })
  snapshot.close()
  await close()
  return rows.sort(([a], [b]) => (a < b ? -1 : 1))
}

/** Routes everything with a fault at the `at`-th publish; false when there was no such publish. */
async function survives(start: RouterStart, at: number, fault: PublishFault, killed: boolean): Promise<boolean> {
  const on = await testTable(filmSchema)
  const stream = `test_${randomUUID()}`
  const plain = on.on.streams
  await plain.admin.streams.add(subscriptionStreamConfig({ stream, maxBytes: 2 ** 27, replicas: 1, metadata: {} }))
  try {
    await write(on, [0, 1, 2, 3, 4])
    let last = 0
    let struck = false
    const run = async (directory: string, streams: Streams, until: () => boolean, stop: AbortController) => {
      const { table, close } = await on.open(directory, { streams })
      const signal = AbortSignal.any([stop.signal, patience()])
      const onProgress = ({ revision }: Checkpoint) => {
        if (until() && revision >= last) stop.abort()
      }
      await route({ table, stream, test: recent, start, signal, onProgress })
      assert.ok(stop.signal.aborted, 'it came to the end')
      await close()
    }
    const stop = new AbortController()
    const faulty = faultyStreams(plain, stream, at, fault, () => {
      struck = true
      if (killed) stop.abort()
    })
    const running = run('router', faulty.streams, () => last > 0, stop)
    last = await write(on, [5, 6, 7])
    await running
    // Another takes over, wherever the first came to.
    await run('another', plain, () => true, new AbortController())
    const events = await eventsIn(plain, stream)
    assert.deepEqual(folded(events), await rowsIn(on, last), `${fault} at publish ${at}`)
    return struck
  } finally {
    await plain.admin.streams.delete(stream)
    await on.close()
  }
}

for (const fault of ['unsent', 'unanswered', 'late'] satisfies PublishFault[]) {
  for (const killed of [false, true]) {
    test(`each event is there once when a publish is ${fault} and the router ${killed ? 'is killed' : 'goes on'}`, async () => {
      for (const start of [{ from: 'Snapshot' }, { from: 'Revision', revision: 0 }] satisfies RouterStart[]) {
        let at = 1
        while (await survives(start, at, fault, killed)) at++
        assert.ok(at > 2, `${at} publishes`)
      }
    })
  }
}
