import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { ObjectStore } from '../../backends/object-store/store.ts'
import type { Streams } from '../../backends/streams/connect.ts'
import fc, { runs } from '../../test/random.ts'
import type { RowChange } from '../log/writer.ts'
import type { StoredRow } from '../replica/change.ts'
import type { Row, TableSchema } from '../schema/schema.ts'
import { Table } from '../table.ts'
import { eventSchema, filmSchema, patience, type TestLog, temporaryFolder, testLog } from '../testing.ts'
import { type RouterStart, route } from './router.ts'
import {
  type Checkpoint,
  checkpointSubject,
  eventSubject,
  type SubscriptionEvent,
  subscriptionStreamConfig,
} from './subscription-stream.ts'
import { type WatchMessage, type WatchStart, watch } from './watch.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
before(async () => {
  folder = await temporaryFolder()
})
after(() => folder.remove())

let number = 0
/** A store that is asked for nothing. */
const unasked: ObjectStore = new Proxy({} as ObjectStore, {
  get: (_, name) => {
    if (name === 'claims') return undefined
    return name === 'until' ? () => unasked : assert.fail('the bucket is not asked')
  },
})

async function testTable(schema: TableSchema): Promise<{ table: Table; on: TestLog; close: () => Promise<void> }> {
  const on = await testLog(schema)
  const { tableUid: uid, stream, epoch } = on.log
  const table = new Table(
    { namespace: 'test', name: `t${number++}`, uid, schema, bucket: 'none', stream, epoch },
    {
      streams: on.streams,
      objects: unasked,
      dataDirectory: join(folder.path, `table-${number}`),
      onError: error => assert.fail(String(error)),
    },
  )
  return {
    table,
    on,
    close: async () => {
      await table.close()
      await on.close()
    },
  }
}

const options = () => ({ principal: 'user:test', schema: 1, signal: patience() })
const recent = (row: Row) => Number(row.year) >= 2000
const put = (id: string, year: number): RowChange => ({ op: 'put', row: { id, year } })
const del = (id: string): RowChange => ({ op: 'delete', row: { id } })

type Told = { ready: number; rows: string[]; events: string[]; cursor: number }

/** Watches until `revision` is reached. */
async function told(table: Table, start: WatchStart, revision: number): Promise<Told> {
  const result: Told = { ready: -1, rows: [], events: [], cursor: -1 }
  const stop = new AbortController()
  const shown = (row: StoredRow | undefined) => row?.row(table.schemas.codec).year ?? '-'
  const signal = AbortSignal.any([stop.signal, patience()])
  for await (const message of watch(table, { start, test: recent, signal, heartbeatMillis: 20 })) {
    if (message.kind === 'rows') result.rows.push(...message.rows.map(row => `${row.row(table.schemas.codec).id}`))
    if (message.kind === 'ready') result.ready = message.revision
    if (message.kind === 'events') {
      for (const { kind, old, new: next } of message.events) {
        const id = (next ?? old)?.row(table.schemas.codec).id
        result.events.push(`${kind} ${id} ${shown(old)} ${shown(next)}`)
      }
    }
    if (message.kind !== 'rows' && message.revision !== undefined) result.cursor = message.revision
    if (result.cursor >= revision) return result
  }
  throw new Error('the watch ended early')
}

test('a row that enters, changes within and leaves the filter is announced as ENTER, UPDATE and LEAVE', async () => {
  const { table, close } = await testTable(filmSchema)
  await table.writer.write([put('a', 1990)], options())
  await table.writer.write([put('a', 2001)], options())
  await table.writer.write([put('a', 2002)], options())
  await table.writer.write([put('a', 1999)], options())
  await table.writer.write([put('a', 2003), put('b', 1)], options())
  const { revision } = await table.writer.write([del('a'), del('b')], options())
  const { events } = await told(table, { from: 'revision', revision: 0 }, revision)
  assert.deepEqual(events, [
    'ENTER a 1990 2001',
    'UPDATE a 2001 2002',
    'LEAVE a 2002 1999',
    'ENTER a 1999 2003',
    'LEAVE a 2003 -',
  ])
  await close()
})

test('a snapshot and the events behind it leave no gap and repeat nothing', async () => {
  const { table, close } = await testTable(filmSchema)
  await table.writer.write([put('a', 2001), put('b', 1990), put('c', 2002)], options())
  const watching = told(table, { from: 'snapshot' }, 5)
  const later = async () => {
    await table.writer.write([put('b', 2000)], options())
    return table.writer.write([del('a')], options())
  }
  const [{ rows, events }] = await Promise.all([watching, later()])
  const state = new Set(rows)
  for (const event of events) {
    const [kind, id = ''] = event.split(' ')
    assert.notEqual(state.has(id), kind === 'ENTER', event)
    if (kind === 'ENTER') state.add(id)
    if (kind === 'LEAVE') state.delete(id)
  }
  assert.deepEqual([...state].sort(), ['b', 'c'])
  await close()
})

test('a watch that resumes at its cursor is told exactly what came after it', async () => {
  const { table, close } = await testTable(filmSchema)
  const revisions: number[] = []
  for (let i = 0; i < 20; i++)
    revisions.push((await table.writer.write([put(`k${i}`, 2000), put(`l${i}`, 2001)], options())).revision)
  const last = revisions.at(-1) ?? 0
  for (const at of [0, 7, 19]) {
    const { events } = await told(table, { from: 'revision', revision: revisions[at] ?? 0 }, last)
    assert.equal(events.length, 2 * (19 - at))
  }
  await close()
})

test('an append-only Table announces its rows as ENTER, and its snapshot is all of them', async () => {
  const { table, close } = await testTable(eventSchema)
  const rows = (from: number): Row[] => Array.from({ length: 3 }, (_, i) => ({ n: String(from + i), year: 2000 }))
  await table.writer.append(rows(0), options())
  const { revision } = await table.writer.append(rows(3), options())
  const messages: WatchMessage[] = []
  for await (const message of watch(table, {
    start: { from: 'snapshot' },
    test: () => true,
    signal: patience(),
    heartbeatMillis: 1000,
  })) {
    messages.push(message)
    if (message.kind === 'ready') break
  }
  const numbers = messages.flatMap(message =>
    message.kind === 'rows' ? message.rows.map(row => row.row(table.schemas.codec).n) : [],
  )
  assert.deepEqual(numbers, ['0', '1', '2', '3', '4', '5'])
  assert.deepEqual(messages.at(-1), { kind: 'ready', revision })
  await close()
})

async function eventsIn(streams: Streams, stream: string): Promise<SubscriptionEvent[]> {
  const events: SubscriptionEvent[] = []
  for (let seq = 0; ; ) {
    const message = await streams.admin.direct.getMessage(stream, { seq: seq + 1, next_by_subj: eventSubject(stream) })
    if (message === null) return events
    events.push(message.json<SubscriptionEvent>())
    seq = message.seq
  }
}

/** Runs a router until its checkpoint has passed `revision`, or until `stopAfter` checkpoints. */
async function routed(
  table: Table,
  stream: string,
  start: RouterStart,
  revision: number,
  stopAfter = Infinity,
): Promise<Checkpoint> {
  const stop = new AbortController()
  let last: Checkpoint | undefined
  let count = 0
  await route({
    table,
    stream,
    test: recent,
    start,
    signal: AbortSignal.any([stop.signal, patience()]),
    onProgress: checkpoint => {
      last = checkpoint
      count++
      if ((checkpoint.snapshotAfter === undefined && checkpoint.revision >= revision) || count >= stopAfter)
        stop.abort()
    },
  })
  assert.ok(last)
  return last
}

const newStream = async (on: TestLog): Promise<string> => {
  const stream = `${on.log.stream}_s${number++}`
  await on.streams.admin.streams.add(
    subscriptionStreamConfig({ stream, maxBytes: 64 * 1024 * 1024, replicas: 1, metadata: {} }),
  )
  return stream
}

test('a durable Subscription holds each event once, however often its router is stopped or doubled', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.array(fc.record({ key: fc.nat(9), year: fc.integer({ min: 1995, max: 2005 }), del: fc.boolean() }), {
          minLength: 1,
          maxLength: 4,
        }),
        {
          minLength: 1,
          maxLength: 15,
        },
      ),
      fc.constantFrom('Snapshot', 'Revision'),
      fc.nat(3),
      async (batches, from, stops) => {
        const { table, on, close } = await testTable(filmSchema)
        const stream = await newStream(on)
        const start: RouterStart = from === 'Snapshot' ? { from } : { from: 'Revision', revision: 0 }
        let revision = 0
        for (const [index, batch] of batches.entries()) {
          const distinct = [...new Map(batch.map(change => [change.key, change])).values()]
          const changes = distinct.map(({ key, year, del: gone }) => (gone ? del(`k${key}`) : put(`k${key}`, year)))
          revision = (await table.writer.write(changes, options())).revision
          if (index % 4 === 3 && stops > 0) {
            const replica = await table.replica()
            await replica.reached(revision, patience())
            await Promise.all(Array.from({ length: stops }, () => routed(table, stream, start, revision, 2)))
          }
        }
        await Promise.all([routed(table, stream, start, revision), routed(table, stream, start, revision)])
        const events = await eventsIn(on.streams, stream)
        const state = new Map<string, number>()
        for (const { kind, old, new: next } of events) {
          const { id, year } = (kind === 'LEAVE' ? old : next) as { id: string; year: number }
          assert.equal(state.has(id), kind !== 'ENTER', `${kind} of ${id}`)
          if (kind === 'LEAVE') state.delete(id)
          else state.set(id, year)
        }
        const replica = await table.replica()
        await replica.reached(revision, patience())
        const snapshot = replica.snapshot()
        const rows = [...snapshot.rows()].map(({ row }) => row.row(table.schemas.codec)).filter(recent)
        snapshot.close()
        assert.deepEqual(new Map([...state].sort()), new Map(rows.map(({ id, year }) => [String(id), Number(year)])))
        const last = await on.streams.admin.streams.getMessage(stream, { last_by_subj: checkpointSubject(stream) })
        assert.equal(last?.json<Checkpoint>().delivered, events.length)
        await on.streams.admin.streams.delete(stream)
        await close()
      },
    ),
    { numRuns: runs(15) },
  )
})

test('a large snapshot that is interrupted goes on behind the last row told', async () => {
  const { table, on, close } = await testTable(filmSchema)
  const stream = await newStream(on)
  let revision = 0
  for (let chunk = 0; chunk < 4; chunk++) {
    const rows = Array.from({ length: 900 }, (_, i) => put(`k${String(chunk * 900 + i).padStart(5, '0')}`, 2000))
    revision = (await table.writer.write(rows, options())).revision
  }
  await (await table.replica()).reached(revision, patience())
  const first = await routed(table, stream, { from: 'Snapshot' }, revision, 2)
  assert.ok(first.snapshotAfter)
  revision = (await table.writer.write([put('k00001', 1990), put('k03599', 2001), put('k00002', 2002)], options()))
    .revision
  await (await table.replica()).reached(revision, patience())
  await routed(table, stream, { from: 'Snapshot' }, revision)
  const events = await eventsIn(on.streams, stream)
  assert.equal(events.filter(({ kind }) => kind === 'ENTER').length, 3600)
  assert.deepEqual(
    events.filter(({ kind }) => kind !== 'ENTER').map(({ kind }) => kind),
    ['LEAVE', 'UPDATE'],
  )
  await on.streams.admin.streams.delete(stream)
  await close()
})
