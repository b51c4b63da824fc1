/**
 * Random histories of a Table whose log is purged as soon as the lake holds it: archivers that stop, start, lose their cache or
 * are two, a lake whose history is cut short, readers that are left behind. All end as a model of the history does.
 */

import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { devConfig } from '../../devstack/config.ts'
import fc, { runs } from '../../test/random.ts'
import { watch } from '../feed/watch.ts'
import { announceSchema, writeTick } from '../log/control.ts'
import { purgeLog } from '../log/retention.ts'
import type { RowChange } from '../log/writer.ts'
import type { StoredRow } from '../replica/change.ts'
import { openSqlDatabase, type SqlDatabase } from '../replica/sql-database.ts'
import { writeSchema } from '../schema/documents.ts'
import { rowCodec } from '../schema/rows.ts'
import type { Column, Row, TableSchema } from '../schema/schema.ts'
import type { Table } from '../table.ts'
import { patience } from '../testing.ts'
import { rowsOf } from '../testing-table.ts'
import { cleanLog, vacuum } from './delta/clean-up.ts'
import { readState } from './delta/state.ts'
import { demandArchive } from './demand.ts'
import { archivedRevision } from './files.ts'
import { type TestArchiver, type TestLake, testLake } from './testing.ts'

const column = (field: number, name: string, rest: Partial<Column> = {}): Column => ({
  name,
  type: 'String',
  required: false,
  field,
  ...rest,
})
const keyedSchema: TableSchema = {
  number: 1,
  columns: [
    column(1, 'id', { required: true }),
    column(2, 'text'),
    column(3, 'big', { type: 'Int64' }),
    column(4, 'ratio', { type: 'Double' }),
  ],
  retired: [],
  primaryKey: ['id'],
}
const appendSchema: TableSchema = {
  ...keyedSchema,
  columns: keyedSchema.columns.map(one => ({ ...one, required: false })),
  primaryKey: [],
}

const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  String: fc.constantFrom('', 'it\'s "quoted"\n', 'Ä💡\u{10ffff}', 'null', '{},', ',\n{"', '"'),
  Int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  Double: fc.constantFrom('NaN', 'Infinity', '-Infinity', 0, 1e308, 5e-324, 0.1),
}

type Change = {
  readonly key: number
  readonly op: 'put' | 'delete'
  readonly seed: Readonly<Record<string, unknown>>
  /** Which condition is set, and by it whether it holds is known. */
  readonly condition: 'none' | 'absent' | 'revision' | 'another'
}
type Command =
  | { readonly kind: 'write'; readonly changes: readonly Change[]; readonly behind: number; readonly fresh: boolean }
  | { readonly kind: 'add'; readonly type: 'String' | 'Int64' }
  | { readonly kind: 'retire'; readonly which: number }
  | { readonly kind: 'tick' }
  | {
      readonly kind: 'archiver'
      readonly number: 0 | 1
      readonly does: 'start' | 'stop' | 'restart'
      readonly lost: boolean
    }
  | { readonly kind: 'settle'; readonly purge: boolean }
  | { readonly kind: 'clean' }
  | { readonly kind: 'reader'; readonly does: 'close' | 'open'; readonly lost: boolean }
  | { readonly kind: 'look' }

const change: fc.Arbitrary<Change> = fc.record({
  key: fc.nat(7),
  op: fc.constantFrom('put', 'put', 'put', 'delete'),
  seed: fc.record(values, { requiredKeys: [] }),
  condition: fc.constantFrom('none', 'none', 'absent', 'revision', 'another'),
})
const of = <T extends Command>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary })
const command: fc.Arbitrary<Command> = fc.oneof(
  of(
    14,
    fc.record({
      kind: fc.constant('write' as const),
      changes: fc.uniqueArray(change, { selector: ({ key }) => key, minLength: 1, maxLength: 5 }),
      behind: fc.constantFrom(0, 0, 1, 2),
      fresh: fc.constantFrom(false, false, false, true),
    }),
  ),
  of(1, fc.record({ kind: fc.constant('add' as const), type: fc.constantFrom('String' as const, 'Int64' as const) })),
  of(1, fc.record({ kind: fc.constant('retire' as const), which: fc.nat(9) })),
  of(1, fc.record({ kind: fc.constant('tick' as const) })),
  of(
    4,
    fc.record({
      kind: fc.constant('archiver' as const),
      number: fc.constantFrom(0 as const, 0 as const, 1 as const),
      does: fc.constantFrom('start' as const, 'stop' as const, 'restart' as const),
      lost: fc.boolean(),
    }),
  ),
  of(3, fc.record({ kind: fc.constant('settle' as const), purge: fc.boolean() })),
  of(1, fc.record({ kind: fc.constant('clean' as const) })),
  of(
    2,
    fc.record({
      kind: fc.constant('reader' as const),
      does: fc.constantFrom('close' as const, 'open' as const),
      lost: fc.boolean(),
    }),
  ),
  of(1, fc.record({ kind: fc.constant('look' as const) })),
)

type Version = { readonly row: Row; readonly revision: number }
type Told = { readonly id: string; readonly old: Version | undefined; readonly new: Version | undefined }

/** What the Table must be: its rows, and what each batch changed. */
class Model {
  readonly rows = new Map<string, Version>()
  readonly batches: { readonly revision: number; readonly changes: readonly Told[] }[] = []
  /** Revisions that a put ever had. */
  readonly puts: number[] = []
  readonly schemas: TableSchema[]
  last = 0
  /** Whether the log holds more than announcements of schemas, for which alone no lake is made. */
  begun = false
  /** Below what the lake remembers, as far as it was cleaned up. */
  cleaned = 0

  constructor(first: TableSchema) {
    this.schemas = [first]
  }

  get newest(): TableSchema {
    const newest = this.schemas.at(-1)
    assert.ok(newest)
    return newest
  }

  take(revision: number, changes: readonly Told[]): void {
    this.last = revision
    this.begun = true
    const real = changes.filter(({ old, new: next }) => old !== undefined || next !== undefined)
    if (real.length > 0) this.batches.push({ revision, changes: real })
    for (const { id, new: next } of real) {
      if (next === undefined) this.rows.delete(id)
      else this.rows.set(id, next)
      if (next !== undefined) this.puts.push(next.revision)
    }
  }

  shown({ row, revision }: Version): Row {
    return {
      ...Object.fromEntries(this.newest.columns.map(({ name }) => [name, row[name] ?? null])),
      _revision: String(revision),
    }
  }
}

class History {
  readonly #lake: TestLake
  readonly #keyed: boolean
  readonly #model: Model
  readonly #archivers: ({ readonly table: Table; readonly running: TestArchiver } | undefined)[] = [
    undefined,
    undefined,
  ]
  readonly #caches = [0, 0]
  readonly #failures: unknown[] = []
  readonly #writer: Table
  #readers = 0
  #reader: { readonly table: Table; readonly sql: SqlDatabase } | undefined

  constructor(lake: TestLake, schema: TableSchema) {
    this.#lake = lake
    this.#model = new Model(schema)
    this.#keyed = schema.primaryKey.length > 0
    this.#writer = lake.open('writer')
  }

  async run(commands: readonly Command[]): Promise<void> {
    try {
      await this.#openReader()
      for (const step of commands) await this.#step(step)
      await this.#settle()
      await this.#check()
      await this.#closeReader()
      this.#readers++
      await this.#openReader()
      await this.#check()
      const bad = this.#failures.filter(error => !isBlastyError(error, 'TABLE_NOT_READY', 'LAKE_VERSION_EXPIRED'))
      assert.deepEqual(bad, [])
    } finally {
      for (const number of [0, 1]) await this.#stop(number)
      await this.#closeReader()
    }
  }

  async #step(step: Command): Promise<void> {
    const { on } = this.#lake
    switch (step.kind) {
      case 'write':
        return this.#keyed ? this.#write(step) : this.#append(step)
      case 'add': {
        const { number, columns, ...rest } = this.#model.newest
        const name = `c${number}`
        return this.#announce({
          ...rest,
          number: number + 1,
          columns: [...columns, column(100 + number, name, { type: step.type })],
        })
      }
      case 'retire': {
        const { number, columns, retired, ...rest } = this.#model.newest
        const some = columns.filter(({ name }) => name !== 'id')
        const gone = some[step.which % Math.max(1, some.length)]
        if (gone === undefined) return
        const left = columns.filter(one => one !== gone)
        return this.#announce({
          ...rest,
          number: number + 1,
          columns: left,
          retired: [...retired, { name: gone.name, field: gone.field }],
        })
      }
      case 'tick':
        this.#model.take(await writeTick(on.log), [])
        return
      case 'archiver': {
        if (step.does !== 'start') await this.#stop(step.number)
        if (step.lost && this.#archivers[step.number] === undefined)
          this.#caches[step.number] = Number(this.#caches[step.number]) + 1
        if (step.does !== 'stop') this.#start(step.number)
        return
      }
      case 'settle':
        await this.#settle()
        if (step.purge)
          await purgeLog(on.log, await this.#archived(), { retentionSeconds: 0, now: Date.now() + 60_000 })
        return
      case 'clean':
        return this.#clean()
      case 'reader': {
        await this.#closeReader()
        if (step.lost) this.#readers++
        if (step.does === 'open') await this.#openReader()
        return
      }
      case 'look':
        if (this.#reader !== undefined) await this.#check()
    }
  }

  async #announce(schema: TableSchema): Promise<void> {
    await writeSchema(this.#lake.objects, this.#lake.bucket, schema)
    this.#model.last = await announceSchema(this.#lake.on.log, schema.number)
    this.#model.schemas.push(schema)
  }

  /** Not always the newest, since a facade may not have heard of it. */
  #schema(behind: number): TableSchema {
    const { schemas, newest } = this.#model
    return schemas[Math.max(0, schemas.length - 1 - behind)] ?? newest
  }

  #row(schema: TableSchema, seed: Readonly<Record<string, unknown>>, id: string | undefined): Row {
    const row: Record<string, unknown> = id === undefined ? {} : { id }
    for (const { name, type } of schema.columns) if (name !== 'id' && seed[type] !== undefined) row[name] = seed[type]
    return rowCodec(schema, 'test').row(row, 'row')
  }

  async #write({ changes, behind, fresh }: Extract<Command, { kind: 'write' }>): Promise<void> {
    const { rows, puts } = this.#model
    const schema = this.#schema(behind)
    const writer = fresh ? this.#lake.open(`writer-${this.#model.last}`) : this.#writer
    let holds = true
    const given = changes.map(({ key, op, seed, condition }): RowChange => {
      const id = key % 3 === 0 ? `k${key}`.padEnd(200, 'x') : `k${key}`
      const current = rows.get(id)
      const row = op === 'delete' ? { id } : this.#row(schema, seed, id)
      const another = puts.find(revision => revision !== current?.revision)
      if (condition === 'absent') {
        holds &&= current === undefined
        return { op, row, condition: { kind: 'absent' } }
      }
      if (condition === 'revision' && current !== undefined)
        return { op, row, condition: { kind: 'revision', revision: current.revision } }
      if (condition === 'another' && another !== undefined && key % 4 === 0) {
        holds = false
        return { op, row, condition: { kind: 'revision', revision: another } }
      }
      return { op, row }
    })
    const options = { principal: 'p', schema: schema.number, signal: patience() }
    const answer = await this.#insist(() => writer.writer.write(given, options)).catch(error => {
      if (holds || !isBlastyError(error, 'ROW_EXISTS', 'REVISION_CONFLICT')) throw error
      return undefined
    })
    assert.equal(answer !== undefined, holds, `${JSON.stringify(given)} of ${JSON.stringify([...rows])}`)
    if (answer === undefined) return
    const told = given.map(({ op, row }, index): Told => {
      const id = String(row.id)
      const next = op === 'put' ? { row, revision: answer.first + index } : undefined
      return { id, old: rows.get(id), new: next }
    })
    this.#model.take(answer.revision, told)
  }

  async #append({ changes, behind }: Extract<Command, { kind: 'write' }>): Promise<void> {
    const schema = this.#schema(behind)
    const options = { principal: 'p', schema: schema.number, signal: patience() }
    const rows = changes.map(({ key, seed }) => this.#row(schema, seed, key === 0 ? undefined : `k${key}`))
    const { revision, first } = await this.#writer.writer.append(rows, options)
    const told = rows.map(
      (row, index): Told => ({
        id: `${first} ${String(index).padStart(3, '0')}`,
        old: undefined,
        new: { row, revision: first },
      }),
    )
    this.#model.take(revision, told)
  }

  #start(number: number): void {
    if (this.#archivers[number] !== undefined) return
    const cache = `lake-${number}-${this.#caches[number]}`
    const table = this.#lake.open(`archiver-${number}-${this.#caches[number]}`)
    const running = this.#lake.archiver(table, cache, {
      commitWindowMillis: number === 0 ? 5 : 30,
      retentionSeconds: number,
      purgeMillis: 50,
      checkpointVersions: 2,
    })
    this.#archivers[number] = { table, running }
  }

  async #stop(number: number): Promise<void> {
    const archiver = this.#archivers[number]
    if (archiver === undefined) return
    this.#archivers[number] = undefined
    await archiver.running.stop()
    // Its files are the next one's.
    await archiver.table.close()
    this.#failures.push(...archiver.running.failures)
  }

  async #archived(): Promise<number> {
    const state = await readState(this.#writer.lake)
    return state === undefined ? 0 : archivedRevision(state, this.#writer)
  }

  /** Waits until the lake holds everything. */
  async #settle(): Promise<void> {
    if (!this.#model.begun) return
    if (this.#archivers.every(archiver => archiver === undefined)) this.#start(0)
    const late = patience()
    while ((await this.#archived()) < this.#model.last) {
      if (late.aborted) {
        const failures = this.#archivers.flatMap(archiver => archiver?.running.failures ?? []).map(String)
        assert.fail(`the lake is at ${await this.#archived()} of ${this.#model.last}: ${failures.join()}`)
      }
      demandArchive(this.#writer, this.#model.last)
    }
  }

  /** Cuts the history down to the newest checkpoint and removes what only it needed, while no archiver is about to commit. */
  async #clean(): Promise<void> {
    for (const number of [0, 1]) await this.#stop(number)
    const { lake } = this.#writer
    const state = await readState(lake)
    if (state === undefined) return
    const olderThan = Date.now() + 3_600_000
    if ((await cleanLog(lake, state, { olderThan })) !== undefined) this.#model.cleaned = await this.#archived()
    await vacuum(lake, state, { olderThan, keep: () => false, leastAgeMillis: -60_000 })
  }

  async #openReader(): Promise<void> {
    const name = `reader-${this.#readers}`
    const sql = await openSqlDatabase(join(this.#lake.folder, `${name}.duckdb`), { memory: '256MB', threads: 1 })
    const table = this.#lake.open(name, this.#lake.objects, async () => sql)
    this.#reader = { table, sql }
    await table.replica()
  }

  async #closeReader(): Promise<void> {
    const reader = this.#reader
    this.#reader = undefined
    await reader?.table.close()
    reader?.sql.close()
  }

  /** Rows by key, columns, and changes behind every kind of cursor, against the model. */
  async #check(): Promise<void> {
    if (this.#reader === undefined) await this.#openReader()
    const reader = this.#reader
    assert.ok(reader)
    const { table, sql } = reader
    const model = this.#model
    await table.schemas.reach(model.newest.number)
    const replica = await this.#insist(() => table.reached(model.last, 'columns', patience()))
    const shown = (row: StoredRow) => model.shown({ row: row.row(table.schemas.codec), revision: row.revision })
    const order = (rows: readonly Row[]) => rows.map(row => JSON.stringify(row, Object.keys(row).sort())).sort()
    const expected = order([...model.rows.values()].map(version => model.shown(version)))
    if (this.#keyed) {
      await this.#insist(() => table.reached(model.last, 'rows', patience()))
      const snapshot = replica.snapshot()
      const byKey = [...snapshot.rows()].map(({ row }) => shown(row))
      snapshot.close()
      assert.deepEqual(order(byKey), expected, 'rows by key')
      assert.equal(replica.count, model.rows.size)
    }
    const byColumn = await rowsOf(sql, 'SELECT * EXCLUDE (_commit_time) FROM films')
    assert.deepEqual(order(byColumn), expected, 'rows by SQL')
    const ends = model.batches.map(({ revision }) => revision)
    for (const cursor of new Set([0, ends[Math.floor(ends.length / 3)] ?? 0, ends.at(-2) ?? 0]))
      await this.#checkWatch(table, cursor)
  }

  async #checkWatch(table: Table, cursor: number): Promise<void> {
    const model = this.#model
    const shown = (version: Version | undefined) => version && model.shown(version)
    const wanted = model.batches
      .filter(({ revision }) => revision > cursor)
      .map(({ revision, changes }) => [revision, changes.map(({ old, new: next }) => [shown(old), shown(next)])])
    const stop = new AbortController()
    const told: unknown[] = []
    const row = (stored: StoredRow | undefined) =>
      stored && model.shown({ row: stored.row(table.schemas.codec), revision: stored.revision })
    const start = { from: 'revision', revision: cursor } as const
    const follow = async () => {
      told.length = 0
      const signal = AbortSignal.any([stop.signal, patience()])
      for await (const message of watch(table, { start, test: () => true, signal, heartbeatMillis: 10 })) {
        if (message.kind === 'events') {
          const { revision } = message
          const changes = message.events.map(({ old, new: next }) => [row(old), row(next)])
          told.push([revision, changes])
        }
        if (message.kind !== 'rows' && (message.revision ?? 0) >= model.last) return true
      }
      throw new Error(`a watch behind ${cursor} ended early`)
    }
    const whole = await this.#insist(follow).catch(error => {
      // Allowed only where the history was cut, and never for appended rows, which are their own history.
      if (!this.#keyed || cursor >= model.cleaned || !isBlastyError(error, 'CURSOR_EXPIRED')) throw error
      return false
    })
    if (whole) assert.deepEqual(told, wanted, `changes behind ${cursor}`)
  }

  /** A replica that a purge overtakes is opened anew, as its callers see. */
  async #insist<T>(ask: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask()
      } catch (error) {
        if (attempt === 5 || !isBlastyError(error, 'TABLE_NOT_READY')) throw error
      }
    }
  }
}

const { testSeed } = devConfig()

for (const [name, schema, usual] of [
  ['a keyed', keyedSchema, 13],
  ['an append-only', appendSchema, 7],
] as const) {
  test(`rows, columns and watches of ${name} Table end as a model does, though the log forgets`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 40 }), async commands => {
        const failures: unknown[] = []
        const lake = await testLake(schema, error => failures.push(error))
        try {
          await new History(lake, schema).run(commands)
          const bad = failures.filter(error => !isBlastyError(error, 'LOG_GAP', 'TABLE_NOT_READY'))
          assert.deepEqual(bad, [], 'replicas can follow, or a purge has overtaken them')
        } finally {
          await lake.close()
          await rm(lake.folder, { recursive: true, force: true })
        }
      }),
      {
        numRuns: runs(usual),
        // Making a failure small takes long: worth it for a seed that is known to fail.
        endOnFailure: typeof testSeed !== 'number',
      },
    )
  })
}
