/**
 * Random histories of Tables whose rows end for being too old: archived now and then, logs purged, lakes cleaned up. SQL, keys, lake, watches
 * and the past end as a model does.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { devConfig } from '../../devstack/config.ts'
import fc, { runs } from '../../test/random.ts'
import { watch } from '../feed/watch.ts'
import { writeCheckpoint } from '../lake/delta/checkpoint.ts'
import { cleanLog, vacuum } from '../lake/delta/clean-up.ts'
import { readState } from '../lake/delta/state.ts'
import { demandArchive } from '../lake/demand.ts'
import { archivedRevision } from '../lake/files.ts'
import { type TestLake, testLake } from '../lake/testing.ts'
import { purgeLog } from '../log/retention.ts'
import { PastDatabases } from '../past/databases.ts'
import type { StoredRow } from '../replica/change.ts'
import { openSqlDatabase, type SqlDatabase } from '../replica/sql-database.ts'
import type { TableSchema } from '../schema/schema.ts'
import type { Table } from '../table.ts'
import { patience, unwatched } from '../testing.ts'
import { rowsOf } from '../testing-table.ts'
import { commitTimeOf, expireAt, whenDue } from './testing.ts'

const keyedSchema: TableSchema = {
  number: 1,
  columns: [
    { name: 'id', type: 'Int32', required: true, field: 1 },
    { name: 'n', type: 'Int32', required: false, field: 2 },
  ],
  retired: [],
  primaryKey: ['id'],
}
const appendSchema: TableSchema = {
  ...keyedSchema,
  columns: keyedSchema.columns.map(column => ({ ...column, required: false })),
  primaryKey: [],
}

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('write'),
      keys: fc.uniqueArray(fc.nat(6), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete'), key: fc.nat(6) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('archive'), purge: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('expire'), which: fc.nat(9), late: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clean') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('look'), which: fc.nat(99), fresh: fc.boolean() }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

type Rows = readonly string[]

class History {
  readonly #lake: TestLake
  readonly #table: Table
  readonly #past: PastDatabases
  readonly #batches: { readonly revision: number; readonly time: number }[] = []
  /** The rows at the end of each batch, as texts with their revisions. */
  readonly #states: { readonly revision: number; readonly rows: Rows }[] = [{ revision: 0, rows: [] }]
  readonly #appended: { readonly revision: number; readonly text: string }[] = []
  readonly #keyed: boolean
  #rows = new Map<string, { readonly text: string; readonly revision: number }>()
  #gone = 0
  /** Of what is below, the lake may remember nothing. */
  #cleaned = 0
  #written = 0
  #readers = 0
  #reader: { readonly table: Table; readonly sql: SqlDatabase } | undefined

  constructor(lake: TestLake, keyed: boolean) {
    this.#lake = lake
    this.#keyed = keyed
    this.#table = lake.open('worker')
    this.#past = new PastDatabases({
      directory: join(lake.folder, 'past'),
      limits: { memory: '400MB', threads: 1 },
      memory: unwatched,
    })
  }

  async run(steps: readonly Step[]): Promise<void> {
    try {
      for (const one of steps) await this.#step(one)
      await this.#archive()
      await this.#look(0, false)
      await this.#look(1, true)
    } finally {
      await this.#closeReader()
      await this.#past.close()
    }
  }

  async #step(one: Step): Promise<void> {
    switch (one.kind) {
      case 'write':
        return this.#write(one.keys)
      case 'delete':
        if (this.#keyed) await this.#delete(one.key)
        return
      case 'archive':
        await this.#archive()
        if (one.purge) await this.#purge()
        return
      case 'expire':
        return this.#expire(one.which, one.late)
      case 'clean':
        return this.#clean()
      case 'look':
        return this.#look(one.which, one.fresh)
    }
  }

  async #write(keys: readonly number[]): Promise<void> {
    const { writer, schemas } = this.#table
    const rows = keys.map(id => schemas.codec.row({ id, n: ++this.#written }, 'row'))
    const options = { principal: 'p', schema: 1, signal: patience() }
    const { first, revision } = this.#keyed
      ? await writer.write(
          rows.map(row => ({ op: 'put', row })),
          options,
        )
      : await writer.append(rows, options)
    for (const [index, row] of rows.entries()) {
      const own = this.#keyed ? first + index : first
      const text = `${row.id} ${row.n} ${own}`
      this.#rows.set(this.#keyed ? String(row.id) : String(row.n), { text, revision: own })
      this.#appended.push({ revision, text })
    }
    await this.#ended(revision)
  }

  async #delete(id: number): Promise<void> {
    const options = { principal: 'p', schema: 1, signal: patience() }
    const { revision } = await this.#table.writer.write([{ op: 'delete', row: { id } }], options)
    this.#rows.delete(String(id))
    await this.#ended(revision)
  }

  async #ended(revision: number): Promise<void> {
    this.#batches.push({ revision, time: await commitTimeOf(this.#table, revision) })
    this.#states.push({ revision, rows: [...this.#rows.values()].map(({ text }) => text).sort() })
  }

  /** `late`: behind rows that the lake does not hold yet. */
  async #expire(which: number, late: boolean): Promise<void> {
    const batch = this.#batches[which % Math.max(1, this.#batches.length)]
    if (batch === undefined) return
    // Rows of an append-only Table end once they are archived.
    if (!this.#keyed) await this.#archive()
    if (late) await this.#write([1, 2])
    await expireAt(this.#table, this.#lake.folder, whenDue(batch.time))
    for (const [key, { revision }] of [...this.#rows]) if (revision <= batch.revision) this.#rows.delete(key)
    this.#gone = Math.max(this.#gone, batch.revision)
    const revision = await this.#last()
    if (revision > (this.#states.at(-1)?.revision ?? 0)) await this.#ended(revision)
  }

  async #last(): Promise<number> {
    const { state } = await this.#table.log.streams.admin.streams.info(this.#table.log.stream)
    return state.last_seq
  }

  async #archive(): Promise<void> {
    const last = this.#states.at(-1)?.revision ?? 0
    if (last === 0 || (await this.#archived()) >= last) return
    const archiver = this.#lake.archiver(this.#table, 'lake', { checkpointVersions: 3, commitWindowMillis: 60_000 })
    // What changed no row, such as a delete of nothing, only when it is asked for.
    for (const late = patience(); (await this.#archived()) < last; late.throwIfAborted())
      demandArchive(this.#table, last)
    await archiver.stop()
    assert.deepEqual(archiver.failures, [])
  }

  async #archived(): Promise<number> {
    const state = await readState(this.#table.lake)
    return state === undefined ? 0 : archivedRevision(state, this.#table)
  }

  async #purge(): Promise<void> {
    await purgeLog(this.#table.log, await this.#archived(), { retentionSeconds: 0, now: Date.now() + 60_000 })
  }

  async #clean(): Promise<void> {
    const { lake } = this.#table
    const state = await readState(lake)
    if (state === undefined) return
    await writeCheckpoint(lake, state, this.#lake.folder)
    const olderThan = Date.now() + 3_600_000
    await cleanLog(lake, state, { olderThan })
    await vacuum(lake, state, { olderThan, keep: () => false, leastAgeMillis: -60_000 })
    this.#cleaned = await this.#archived()
  }

  async #look(which: number, fresh: boolean): Promise<void> {
    if (fresh) await this.#closeReader()
    const { table, sql } = await this.#open(fresh)
    const { revision: last, rows: wanted } = this.#states.at(-1) ?? { revision: 0, rows: [] }
    await this.#insist(() => table.reached(last, 'columns', patience()))
    const bySql = await rowsOf(sql, 'SELECT id, n, _revision FROM films')
    assert.deepEqual(bySql.map(({ id, n, _revision }) => `${id} ${n} ${_revision}`).sort(), wanted, 'rows by SQL')
    if (this.#keyed) assert.equal((await table.reached(last, 'rows', patience())).count, wanted.length)
    if (last > 0 && (await this.#archived()) >= last) {
      const { rows, revisions } = await this.#lake.rows(this.#table)
      const inLake = rows.map(({ id, n }, index) => `${id} ${n} ${revisions[index]}`).sort()
      assert.deepEqual(inLake, wanted, 'rows of the lake')
    }
    assert.deepEqual((await this.#watched(table, last)).sort(), wanted, 'rows of a snapshot')
    const at = this.#states[which % this.#states.length] ?? { revision: 0, rows: [] }
    await this.#checkWatch(table, at, last, wanted)
    await this.#checkPast(table, at)
  }

  /** What a watch tells, from a snapshot or behind a cursor, as the rows that there are at its end. */
  async #watched(table: Table, until: number, cursor?: number, before: Rows = []): Promise<string[]> {
    const rows = new Set(before)
    const text = (row: StoredRow) => {
      const { id, n } = row.row(table.schemas.codec)
      return `${id} ${n} ${row.revision}`
    }
    const start =
      cursor === undefined ? ({ from: 'snapshot' } as const) : ({ from: 'revision', revision: cursor } as const)
    for await (const message of watch(table, { start, test: () => true, signal: patience(), heartbeatMillis: 10 })) {
      if (message.kind === 'rows') for (const row of message.rows) rows.add(text(row))
      if (message.kind === 'events') {
        for (const { old, new: next } of message.events) {
          if (old !== undefined) assert.ok(rows.delete(text(old)), 'a row that was there ends')
          if (next !== undefined) rows.add(text(next))
        }
      }
      if (message.kind !== 'rows' && (message.revision ?? 0) >= until) break
    }
    return [...rows]
  }

  async #checkWatch(table: Table, at: { revision: number; rows: Rows }, last: number, wanted: Rows): Promise<void> {
    const { revision } = at
    // Rows that are appended are told, and that they are too old is not.
    const told = this.#appended.filter(row => row.revision > revision).map(row => row.text)
    try {
      const rows = await this.#insist(() => this.#watched(table, last, revision, this.#keyed ? at.rows : []))
      assert.deepEqual(rows.sort(), this.#keyed ? wanted : told.sort(), `changes behind ${revision}`)
    } catch (error) {
      const lost = this.#keyed ? revision < this.#cleaned : revision < this.#gone
      if (!isBlastyError(error, 'CURSOR_EXPIRED') || !lost) throw error
    }
  }

  async #checkPast(table: Table, { revision, rows }: { revision: number; rows: Rows }): Promise<void> {
    try {
      const lease = await this.#insist(() => this.#past.lease('test', async () => [{ table, revision }], patience()))
      const found = await rowsOf(lease.database, 'SELECT id, n, _revision FROM films')
      lease.release()
      assert.deepEqual(found.map(({ id, n, _revision }) => `${id} ${n} ${_revision}`).sort(), rows, `as of ${revision}`)
    } catch (error) {
      if (!isBlastyError(error, 'REVISION_EXPIRED') || revision >= this.#cleaned) throw error
    }
    const batch = this.#batches.find(one => one.revision === revision)
    if (batch === undefined) return
    try {
      const found = await this.#past.revisionAtTime(table, batch.time, patience())
      assert.deepEqual(
        this.#states.findLast(state => state.revision <= found)?.rows,
        rows,
        `at the time of ${revision}`,
      )
    } catch (error) {
      // A version that changed no row does not say when it was.
      if (!isBlastyError(error, 'REVISION_EXPIRED') || revision > this.#cleaned) throw error
    }
  }

  async #open(fresh: boolean) {
    if (this.#reader !== undefined) return this.#reader
    if (fresh) this.#readers++
    const name = `reader-${this.#readers}`
    const sql = await openSqlDatabase(join(this.#lake.folder, `${name}.duckdb`), { memory: '256MB', threads: 1 })
    this.#reader = { table: this.#lake.open(name, this.#lake.objects, async () => sql), sql }
    return this.#reader
  }

  async #closeReader(): Promise<void> {
    const reader = this.#reader
    this.#reader = undefined
    await reader?.table.close()
    await reader?.sql.close()
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
  ['a keyed', keyedSchema, 3],
  ['an append-only', appendSchema, 5],
] as const) {
  test(`rows of ${name} Table that are too old are gone for every reader, and the past has them while it lasts`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 24 }), async steps => {
        const failures: unknown[] = []
        const lake = await testLake(schema, error => failures.push(error))
        try {
          await new History(lake, schema.primaryKey.length > 0).run(steps)
          const bad = failures.filter(error => !isBlastyError(error, 'LOG_GAP', 'TABLE_NOT_READY', 'CURSOR_EXPIRED'))
          assert.deepEqual(bad, [])
        } finally {
          await lake.close()
        }
      }),
      { numRuns: runs(usual), endOnFailure: typeof testSeed !== 'number' },
    )
  })
}
