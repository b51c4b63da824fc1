/** A durable Subscription of a Table whose log is repaired: it goes on where it was, or begins anew when what it told is lost. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { type RouterStart, route } from '../feed/router.ts'
import {
  consumerName,
  eventSubject,
  type SubscriptionEvent,
  subscriptionConsumerConfig,
  subscriptionStreamConfig,
} from '../feed/subscription-stream.ts'
import { testLake } from '../lake/testing.ts'
import type { Row } from '../schema/schema.ts'
import type { Table } from '../table.ts'
import { filmSchema, patience } from '../testing.ts'
import { closeAll, loseLog, openEpoch, options, put, repairLog } from './testing.ts'

async function routeTo(table: Table, stream: string, start: RouterStart, revision: number): Promise<void> {
  const stop = new AbortController()
  const signal = AbortSignal.any([stop.signal, patience()])
  await route({
    table,
    stream,
    test: () => true,
    start,
    signal,
    onProgress: checkpoint => {
      if (checkpoint.revision >= revision) stop.abort()
    },
  })
  assert.ok(stop.signal.aborted, 'it came to the end')
}

/** The events of a stream: epoch of their source, kind, id. */
async function eventsOf({ log: { streams } }: Table, stream: string): Promise<unknown[]> {
  await streams.admin.consumers.add(stream, subscriptionConsumerConfig({ stream, ackWaitSeconds: 60, maxDeliver: 1 }))
  const consumer = await streams.client.consumers.get(stream, consumerName)
  const { state } = await streams.admin.streams.info(stream, { subjects_filter: eventSubject(stream) })
  const wanted = state.subjects?.[eventSubject(stream)] ?? 0
  const events: unknown[] = []
  while (events.length < wanted) {
    for await (const message of await consumer.fetch({ max_messages: wanted - events.length, expires: 5_000 })) {
      const { source, kind, new: row } = message.json<SubscriptionEvent & { readonly new?: Row }>()
      events.push([source.epoch, kind, row?.id])
    }
  }
  return events
}

/** Routes to revision `told`, loses all that is not archived, repairs, writes `d`, routes on; returns the events of the second epoch. */
async function across(start: RouterStart, told: 'archived' | 'all'): Promise<unknown[]> {
  const lake = await testLake(filmSchema)
  const stream = `test_${randomUUID()}`
  const { streams } = lake.on.streams.admin
  try {
    await streams.add(subscriptionStreamConfig({ stream, maxBytes: 2 ** 27, replicas: 1, metadata: {} }))
    const table = openEpoch(lake, 1)
    const archiver = lake.archiver(table, 'lake-a')
    const kept = await table.writer.write([put(table, 'a', 'one'), put(table, 'b', 'two')], options())
    await archiver.reached(kept.revision)
    await archiver.stop()
    if (told === 'archived') await routeTo(table, stream, start, kept.revision)
    const lost = await table.writer.write([put(table, 'c', 'three')], options())
    if (told === 'all') await routeTo(table, stream, start, lost.revision)
    await loseLog(lake)
    await repairLog(table, lost.revision)
    const next = openEpoch(lake, 2)
    const last = await next.writer.write([put(next, 'd', 'four')], options())
    await routeTo(next, stream, start, last.revision)
    return (await eventsOf(next, stream)).filter(event => JSON.stringify(event).startsWith('[2,'))
  } finally {
    await streams.delete(stream)
    await closeAll(lake)
  }
}

test('one that had told nothing but what the lake holds goes on', async () => {
  for (const start of [{ from: 'Snapshot' }, { from: 'Revision', revision: 0 }] satisfies RouterStart[])
    assert.deepEqual(await across(start, 'archived'), [[2, 'ENTER', 'd']])
})

test('one that had told what is lost tells the snapshot anew', async () => {
  const events = await across({ from: 'Snapshot' }, 'all')
  assert.deepEqual(events, [
    [2, 'ENTER', 'a'],
    [2, 'ENTER', 'b'],
    [2, 'ENTER', 'd'],
  ])
})

test('one without a snapshot goes on with the new epoch', async () => {
  assert.deepEqual(await across({ from: 'Revision', revision: 0 }, 'all'), [[2, 'ENTER', 'd']])
})
