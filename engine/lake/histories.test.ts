/**
 * Random histories of a Table whose log is purged as soon as the lake holds it: archivers that stop, start, lose their cache or
 * are two, a lake whose history is cut short, readers that are left behind. All end as a model of the history does.
 */

import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { devConfig } from '../../devstack/config.ts'
import fc, { runs } from '../../test/random.ts'
import { watch } from '../feed/watch.ts'
import type { RowChange } from '../log/writer.ts'
import type { StoredRow } from '../replica/change.ts'
import { rowCodec } from '../schema/rows.ts'
import type { Row, TableSchema } from '../schema/schema.ts'
import type { Table } from '../table.ts'
import { patience } from '../testing.ts'
import { rowsOf } from '../testing-table.ts'
import { demandArchive } from './demand.ts'
import { type TestArchiver, type TestLake, testLake } from './testing.ts'
import { LakeHistory } from './testing-history.ts'
import { column, inAnyOrder, narrowed, type Version, widened } from './testing-model.ts'

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

class History {
  readonly #on: LakeHistory
  readonly #archivers: ({ readonly table: Table; readonly running: TestArchiver } | undefined)[] = [
    undefined,
    undefined,
  ]
  readonly #caches = [0, 0]
  readonly #failures: unknown[] = []
  /** Below what the lake remembers, as far as it was cleaned up. */
  #cleaned = 0

  constructor(lake: TestLake, schema: TableSchema) {
    this.#on = new LakeHistory(lake, schema)
  }

  async run(commands: readonly Command[]): Promise<void> {
    try {
      await this.#on.begin()
      await this.#on.openReader()
      for (const step of commands) await this.#step(step)
      await this.#settle()
      await this.#check()
      await this.#on.loseReader()
      await this.#check()
      const bad = this.#failures.filter(error => !isBlastyError(error, 'TABLE_NOT_READY', 'LAKE_VERSION_EXPIRED'))
      assert.deepEqual(bad, [])
    } finally {
      for (const number of [0, 1]) await this.#stop(number)
      await this.#on.closeReader()
    }
  }

  async #step(step: Command): Promise<void> {
    const { model } = this.#on
    switch (step.kind) {
      case 'write':
        return this.#on.keyed ? this.#write(step) : this.#append(step)
      case 'add':
        return this.#on.announce(widened(model.newest, { type: step.type }))
      case 'retire': {
        const next = narrowed(model.newest, step.which, ['id'])
        return next && this.#on.announce(next)
      }
      case 'tick':
        return this.#on.tick()
      case 'archiver': {
        if (step.does !== 'start') await this.#stop(step.number)
        if (step.lost && this.#archivers[step.number] === undefined)
          this.#caches[step.number] = Number(this.#caches[step.number]) + 1
        if (step.does !== 'stop') this.#start(step.number)
        return
      }
      case 'settle':
        await this.#settle()
        return step.purge ? this.#on.purge() : undefined
      case 'clean':
        return this.#clean()
      case 'reader': {
        await this.#on.closeReader()
        if (step.lost) await this.#on.loseReader()
        if (step.does === 'open') await this.#on.openReader()
        return
      }
      case 'look':
        if (this.#on.reader !== undefined) await this.#check()
    }
  }

  #row(schema: TableSchema, seed: Readonly<Record<string, unknown>>, id: string | undefined): Row {
    const row: Record<string, unknown> = id === undefined ? {} : { id }
    for (const { name, type } of schema.columns) if (name !== 'id' && seed[type] !== undefined) row[name] = seed[type]
    return rowCodec(schema, 'test').row(row, 'row')
  }

  /** A facade may not have heard of the newest schema. */
  async #write({ changes, behind, fresh }: Extract<Command, { kind: 'write' }>): Promise<void> {
    const { model, lake, writer } = this.#on
    const schema = model.behind(behind)
    let holds = true
    const given = changes.map(({ key, op, seed, condition }): RowChange => {
      const id = key % 3 === 0 ? `k${key}`.padEnd(200, 'x') : `k${key}`
      const current = model.rows.get(model.idOf({ id }))
      const row = op === 'delete' ? { id } : this.#row(schema, seed, id)
      const another = model.puts.find(revision => revision !== current?.revision)
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
    const before = [...model.rows]
    const answer = await this.#on
      .write(given, schema, fresh ? lake.open(`writer-${model.last}`) : writer)
      .catch(error => {
        if (holds || !isBlastyError(error, 'ROW_EXISTS', 'REVISION_CONFLICT')) throw error
        return undefined
      })
    assert.equal(answer !== undefined, holds, `${JSON.stringify(given)} of ${JSON.stringify(before)}`)
  }

  async #append({ changes, behind }: Extract<Command, { kind: 'write' }>): Promise<void> {
    const schema = this.#on.model.behind(behind)
    const rows = changes.map(({ key, seed }) => this.#row(schema, seed, key === 0 ? undefined : `k${key}`))
    await this.#on.append(rows, schema)
  }

  #start(number: number): void {
    if (this.#archivers[number] !== undefined) return
    const cache = `lake-${number}-${this.#caches[number]}`
    const table = this.#on.lake.open(`archiver-${number}-${this.#caches[number]}`)
    const running = this.#on.lake.archiver(table, cache, {
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

  /** Waits until the lake holds everything. */
  async #settle(): Promise<void> {
    const { model, writer } = this.#on
    if (!model.begun) return
    if (this.#archivers.every(archiver => archiver === undefined)) this.#start(0)
    const late = patience()
    for (let at = 0; at < model.last; at = await this.#on.archived()) {
      if (late.aborted) {
        const failures = this.#archivers.flatMap(archiver => archiver?.running.failures ?? []).map(String)
        assert.fail(`the lake is at ${at} of ${model.last}: ${failures.join()}`)
      }
      demandArchive(writer, model.last)
    }
  }

  /** Cuts the history down to the newest checkpoint and removes what only it needed, while no archiver is about to commit. */
  async #clean(): Promise<void> {
    for (const number of [0, 1]) await this.#stop(number)
    if ((await this.#on.clean(Date.now() + 3_600_000)) !== undefined) this.#cleaned = await this.#on.archived()
  }

  /** Rows by key, columns, and changes behind every kind of cursor, against the model. */
  async #check(): Promise<void> {
    const { model, keyed } = this.#on
    const { table, sql, replica } = await this.#on.upToDate()
    const shown = (row: StoredRow) => model.shown({ row: row.row(table.schemas.codec), revision: row.revision })
    const expected = inAnyOrder([...model.rows.values()].map(version => model.shown(version)))
    if (keyed) {
      const snapshot = replica.snapshot()
      const byKey = [...snapshot.rows()].map(({ row }) => shown(row))
      snapshot.close()
      assert.deepEqual(inAnyOrder(byKey), expected, 'rows by key')
      assert.equal(replica.count, model.rows.size)
    }
    const byColumn = await rowsOf(sql, 'SELECT * EXCLUDE (_commit_time) FROM films')
    assert.deepEqual(inAnyOrder(byColumn), expected, 'rows by SQL')
    const ends = model.batches.map(({ revision }) => revision)
    for (const cursor of new Set([0, ends[Math.floor(ends.length / 3)] ?? 0, ends.at(-2) ?? 0]))
      await this.#checkWatch(table, cursor)
  }

  async #checkWatch(table: Table, cursor: number): Promise<void> {
    const { model, keyed } = this.#on
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
    const whole = await this.#on.insist(follow).catch(error => {
      // Allowed only where the history was cut, and never for appended rows, which are their own history.
      if (!keyed || cursor >= this.#cleaned || !isBlastyError(error, 'CURSOR_EXPIRED')) throw error
      return false
    })
    if (whole) assert.deepEqual(told, wanted, `changes behind ${cursor}`)
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
          LakeHistory.assertFollowed(failures)
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
