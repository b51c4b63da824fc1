/**
 * Random histories of a Table, with schemas that change, writers that have not heard of it, and readers that are closed and
 * opened again: rows by key, columns, a watch and a durable Subscription all end as a model of the history does.
 */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { publish } from '../backends/streams/publish.ts'
import fc, { runs } from '../test/random.ts'
import { type RouterStart, route } from './feed/router.ts'
import {
  checkpointSubject,
  eventSubject,
  type SubscriptionEvent,
  subscriptionStreamConfig,
} from './feed/subscription-stream.ts'
import { watch } from './feed/watch.ts'
import { writeTick } from './log/control.ts'
import { keyEncoder } from './schema/key.ts'
import { rowCodec } from './schema/rows.ts'
import type { Column, Row, TableSchema } from './schema/schema.ts'
import type { Table } from './table.ts'
import { patience } from './testing.ts'
import { rowsOf, sqlName, type TestProcess, type TestTable, testTable } from './testing-table.ts'

const column = (field: number, name: string, rest: Partial<Column> = {}): Column => ({
  name,
  type: 'String',
  required: false,
  field,
  ...rest,
})

const first: TableSchema = {
  number: 1,
  columns: [
    column(1, 'id', { required: true }),
    column(2, 'n', { type: 'Int32' }),
    column(3, 'text'),
    column(4, 'big', { type: 'Int64' }),
    column(5, 'price', { type: 'Decimal', precision: 18, scale: 2 }),
    column(6, 'ratio', { type: 'Double' }),
  ],
  retired: [],
  primaryKey: ['id'],
}

const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  Int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  String: fc.oneof(
    fc.constantFrom('', 'it\'s "quoted"\n', 'Ä💡', 'null', '[]'),
    fc.string({ unit: 'grapheme', maxLength: 8 }),
  ),
  Int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  Decimal: fc.integer().map(n => `${Math.trunc(n / 100)}.${String(Math.abs(n % 100)).padStart(2, '0')}`),
  Double: fc.oneof(
    fc.constantFrom('NaN', 'Infinity', '-Infinity', 0, 1e308, 5e-324),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  ),
}

type Change = { readonly key: number; readonly op: 'put' | 'delete'; readonly seed: Readonly<Record<string, unknown>> }
type Command =
  | { readonly kind: 'write'; readonly changes: readonly Change[]; readonly behind: number }
  | { readonly kind: 'add'; readonly type: 'Int32' | 'String' | 'Int64' }
  | { readonly kind: 'retire'; readonly which: number }
  | { readonly kind: 'tick' }
  | {
      readonly kind: 'reader'
      readonly lost: 'nothing' | 'rows' | 'columns'
      readonly settle: boolean
      readonly status: number
    }
  | { readonly kind: 'router'; readonly lost: boolean; readonly wait: boolean }

const change: fc.Arbitrary<Change> = fc.record({
  key: fc.nat(11),
  op: fc.constantFrom('put', 'put', 'put', 'delete'),
  seed: fc.record(values, { requiredKeys: [] }),
})
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      changes: fc.uniqueArray(change, { selector: ({ key }) => key, minLength: 1, maxLength: 6 }),
      behind: fc.constantFrom(0, 0, 1, 2),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('add' as const), type: fc.constantFrom('Int32', 'String', 'Int64') }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('retire' as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('tick' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('reader' as const),
      lost: fc.constantFrom('nothing', 'nothing', 'rows', 'columns'),
      settle: fc.boolean(),
      status: fc.nat(20),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('router' as const), lost: fc.boolean(), wait: fc.boolean() }) },
)

const wanted = (row: Row) => typeof row.n === 'number' && row.n >= 0
type Version = { readonly row: Row; readonly revision: number }

/** A router that is stopped and started, over folders that may be lost. */
class Routed {
  readonly stream = `test_${randomUUID()}`
  readonly #on: TestTable
  readonly #start: RouterStart
  #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #process: TestProcess | undefined
  #folders = 0

  constructor(on: TestTable, start: RouterStart) {
    this.#on = on
    this.#start = start
  }

  async start(lost: boolean): Promise<void> {
    if (lost) this.#folders++
    this.#process = await this.#on.open(`router-${this.#folders}`)
    this.#stop = new AbortController()
    const options = { table: this.#process.table, stream: this.stream, test: wanted, start: this.#start }
    this.#running = route({ ...options, signal: this.#stop.signal, onProgress: () => {} })
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#process?.close()
  }

  /** Waits until everything up to `revision` has been told or was nothing to tell. */
  async reached(revision: number): Promise<void> {
    const process = this.#process
    assert.ok(process)
    await process.table.reached(revision, 'rows', patience())
    const signal = patience()
    for (;;) {
      signal.throwIfAborted()
      const events = await this.events()
      const told = new Map<string, number>()
      for (const { old, new: next, kind, revision: at } of events) {
        const id = String((((kind === 'LEAVE' ? old : next) ?? {}) as Row).id)
        if (kind === 'LEAVE') told.delete(id)
        else told.set(id, at)
      }
      const replica = await process.table.replica()
      const snapshot = replica.snapshot()
      const shown = [...snapshot.rows()].flatMap(({ row }) => {
        const values = row.row(process.table.schemas.codec)
        return wanted(values) ? [[String(values.id), row.revision] as const] : []
      })
      snapshot.close()
      if (JSON.stringify([...told].sort()) === JSON.stringify(shown.sort())) return
    }
  }

  /** Everything in the stream, in order. */
  async events(): Promise<SubscriptionEvent[]> {
    const { admin } = this.#on.on.streams
    const info = await admin.streams.info(this.stream)
    const events: SubscriptionEvent[] = []
    for (let seq = info.state.first_seq; seq <= info.state.last_seq && seq > 0; seq++) {
      const message = await admin.streams.getMessage(this.stream, { seq })
      if (message?.subject === eventSubject(this.stream)) events.push(message.json<SubscriptionEvent>())
    }
    return events
  }
}

async function history(commands: readonly Command[], start: RouterStart): Promise<void> {
  const on = await testTable(first)
  const { admin, connection } = on.on.streams
  const model = new Map<string, Version>()
  let last = 0
  let processes = 0
  const writer = await on.open('writer')
  let reader = await on.open('reader', { sql: true })
  await reader.table.replica()
  const router = new Routed(on, start)
  await admin.streams.add(
    subscriptionStreamConfig({ stream: router.stream, maxBytes: 2 ** 26, replicas: 1, metadata: {} }),
  )
  await router.start(false)
  try {
    for (const step of commands) {
      switch (step.kind) {
        case 'write': {
          // A facade that has not heard of the newest schemas yet.
          const schema = on.documents.get(Math.max(1, on.newest().number - step.behind)) ?? first
          const codec = rowCodec(schema, 'test')
          const changes = step.changes.map(({ key, op, seed }) => {
            const id = key % 3 === 0 ? `k${key}`.padEnd(200, 'x') : `k${key}`
            if (op === 'delete') return { op, row: { id } }
            const row: Record<string, unknown> = { id }
            for (const { name, type } of schema.columns)
              if (name !== 'id' && seed[type] !== undefined) row[name] = seed[type]
            return { op, row: codec.row(row, 'row') }
          })
          const options = { principal: 'p', schema: schema.number, signal: patience() }
          const { revision, first: from } = await writer.table.writer.write(changes, options)
          for (const [index, { op, row }] of changes.entries()) {
            if (op === 'put') model.set(String(row.id), { row, revision: from + index })
            else model.delete(String(row.id))
          }
          last = revision
          break
        }
        case 'add': {
          const { number, columns, ...rest } = on.newest()
          const field = number + 100
          last = await on.announce({
            ...rest,
            number: number + 1,
            columns: [...columns, column(field, `c${field}`, { type: step.type })],
          })
          break
        }
        case 'retire': {
          const { number, columns, retired, ...rest } = on.newest()
          // `n` stays: the filter of the Subscription reads it.
          const some = columns.filter(({ name }) => name !== 'id' && name !== 'n')
          const gone = some[step.which % some.length]
          if (gone === undefined) break
          const left = columns.filter(one => one !== gone)
          last = await on.announce({
            ...rest,
            number: number + 1,
            columns: left,
            retired: [...retired, { name: gone.name, field: gone.field }],
          })
          break
        }
        case 'tick':
          last = await writeTick(on.on.log)
          break
        case 'reader': {
          if (step.settle) await reader.table.reached(last, 'columns', patience())
          await reader.close()
          if (step.lost === 'rows') await rm(join(on.folder, 'reader'), { recursive: true, force: true })
          if (step.lost === 'columns') await rm(join(on.folder, 'reader.duckdb'), { force: true })
          if (step.lost === 'columns') await rm(join(on.folder, 'reader.duckdb.wal'), { force: true })
          const schema = on.documents.get((step.status % on.documents.size) + 1) ?? first
          reader = await on.open('reader', { sql: true, schema })
          await reader.table.replica()
          processes++
          break
        }
        case 'router':
          await router.stop()
          if (step.wait) last = await writeTick(on.on.log)
          await router.start(step.lost)
      }
    }
    await check(on, reader, model, last)
    await router.reached(last)
    await checkSubscription(router, model, start)
    // What was told once stays told, and nothing is added by a router that finds nothing new.
    const events = (await router.events()).length
    await router.stop()
    await router.start(true)
    last = await writeTick(on.on.log)
    await router.reached(last)
    assert.equal((await router.events()).length, events)
    await check(on, await on.open(`fresh-${processes}`, { sql: true, schema: first }), model, last)
    const ended = publish(
      connection,
      [{ subject: checkpointSubject(router.stream), data: Buffer.from('{}'), expect: 0 }],
      5000,
    )
    assert.equal((await ended).kind, 'conflict', 'the checkpoint is there')
  } finally {
    await router.stop()
    await admin.streams.delete(router.stream)
    await on.close()
  }
}

/** Rows by key, columns, and a watch from the start, against the model. */
async function check(on: TestTable, { table, sql }: TestProcess, model: ReadonlyMap<string, Version>, last: number) {
  await table.schemas.reach(on.newest().number)
  const { codec, current } = table.schemas
  const replica = await table.reached(last, 'columns', patience())
  await replica.reached(last, patience())
  const encodeKey = keyEncoder(first)
  const shownUnder = ({ row, revision }: Version) => ({
    ...Object.fromEntries(current.columns.map(({ name }) => [name, row[name] ?? null])),
    _revision: String(revision),
  })
  const expected = [...model.values()]
    .sort((a, b) => Buffer.compare(encodeKey(a.row), encodeKey(b.row)))
    .map(shownUnder)

  const snapshot = replica.snapshot()
  const byKey = [...snapshot.rows()].map(({ row }) => shownUnder({ row: row.row(codec), revision: row.revision }))
  snapshot.close()
  assert.deepEqual(byKey, expected, 'rows by key')
  assert.equal(replica.count, model.size)

  const byColumn = await rowsOf(sql, `SELECT * EXCLUDE (_commit_time) FROM ${sqlName}`)
  const order = (rows: readonly { _revision?: unknown }[]) =>
    rows.toSorted((a, b) => Number(a._revision) - Number(b._revision))
  assert.deepEqual(order(byColumn), order(expected), 'rows by SQL')

  const folded = await foldedWatch(table, last)
  assert.deepEqual(order([...folded.values()].map(shownUnder)), order(expected), 'rows by watch')
}

async function foldedWatch(table: Table, last: number): Promise<Map<string, Version>> {
  const state = new Map<string, Version>()
  const stop = new AbortController()
  const options = { start: { from: 'revision', revision: 0 }, test: () => true, heartbeatMillis: 20 } as const
  const signal = AbortSignal.any([stop.signal, patience()])
  for await (const message of watch(table, { ...options, signal })) {
    if (message.kind === 'rows') assert.fail('no snapshot was asked for')
    for (const { kind, old, new: next, revision } of message.kind === 'events' ? message.events : []) {
      const { codec } = table.schemas
      const id = String((next ?? old)?.row(codec).id)
      assert.equal(state.get(id)?.revision, old?.revision, 'the old row is the one told last')
      assert.equal(kind, next === undefined ? 'LEAVE' : old === undefined ? 'ENTER' : 'UPDATE')
      if (next === undefined) state.delete(id)
      else state.set(id, { row: next.row(codec), revision })
    }
    if (message.revision !== undefined && message.revision >= last) return state
  }
  throw new Error('the watch ended early')
}

async function checkSubscription(router: Routed, model: ReadonlyMap<string, Version>, start: RouterStart) {
  const state = new Map<string, number>()
  let before = 0
  for (const { kind, old, new: next, revision, source } of await router.events()) {
    assert.ok(source.revision >= before || start.from === 'Snapshot', 'events come in the order of the log')
    before = source.revision
    const id = String((((kind === 'LEAVE' ? old : next) ?? {}) as Row).id)
    assert.equal(state.has(id), kind !== 'ENTER', `${kind} of ${id} at ${revision}`)
    if (kind === 'LEAVE') state.delete(id)
    else state.set(id, revision)
  }
  const expected = [...model].flatMap(([id, { row, revision }]) => (wanted(row) ? [[id, revision]] : []))
  assert.deepEqual([...state].sort(), expected.sort())
}

for (const from of ['Snapshot', 'Revision'] as const) {
  test(`rows, columns, watches and a Subscription from ${from} end as a model of the history does`, async () => {
    const start: RouterStart = from === 'Snapshot' ? { from } : { from, revision: 0 }
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 8, maxLength: 40 }), commands => history(commands, start)),
      { numRuns: runs(10) },
    )
  })
}
