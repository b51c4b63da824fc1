/** What a random history does to a Table on real servers, each step told to the model: writes, schemas, purges, clean-up, readers. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { ObjectStore } from '../../backends/object-store/store.ts'
import { isBlastyError } from '../../base/errors.ts'
import { announceSchema, writeTick } from '../log/control.ts'
import { purgeLog } from '../log/retention.ts'
import type { Committed, RowChange } from '../log/writer.ts'
import type { TableReplica } from '../replica/replica.ts'
import { openSqlDatabase, type SqlDatabase } from '../replica/sql-database.ts'
import { writeSchema } from '../schema/documents.ts'
import type { Row, TableSchema } from '../schema/schema.ts'
import type { Table } from '../table.ts'
import { patience } from '../testing.ts'
import { cleanLog, vacuum } from './delta/clean-up.ts'
import { readState } from './delta/state.ts'
import { archivedRevision } from './files.ts'
import type { TestLake } from './testing.ts'
import { Model, type Told } from './testing-model.ts'

/** A process that reads the Table, with an SQL instance of its own. */
export type Reader = { readonly table: Table; readonly sql: SqlDatabase }

export class LakeHistory {
  readonly lake: TestLake
  readonly model: Model
  readonly writer: Table
  #readers = 0
  #reader: Reader | undefined

  /** `objects`: the store as the writer knows it. */
  constructor(lake: TestLake, schema: TableSchema, objects: ObjectStore = lake.objects) {
    this.lake = lake
    this.model = new Model(schema)
    this.writer = lake.open('writer', objects)
  }

  get keyed(): boolean {
    return this.writer.keyed
  }

  /** To be awaited first: every schema is announced, the first one too. */
  async begin(): Promise<void> {
    this.model.last = await announceSchema(this.lake.on.log, this.model.newest.number)
  }

  async announce(schema: TableSchema): Promise<void> {
    await writeSchema(this.lake.objects, this.lake.bucket, schema)
    this.model.last = await announceSchema(this.lake.on.log, schema.number)
    this.model.schemas.push(schema)
  }

  async tick(): Promise<void> {
    this.model.take(await writeTick(this.lake.on.log), [])
  }

  /** Writes changes of a keyed Table as one batch. Throws what the writer does, of which the model then hears nothing. */
  async write(given: readonly RowChange[], schema: TableSchema, writer = this.writer): Promise<Committed> {
    const { model } = this
    const answer = await this.insist(() => writer.writer.write(given, optionsOf(schema)))
    const told = given.map(({ op, row }, index): Told => {
      const id = model.idOf(row)
      const next = op === 'put' ? { row, revision: answer.first + index } : undefined
      return { id, old: model.rows.get(id), new: next }
    })
    model.take(answer.revision, told)
    return answer
  }

  /** Appends rows to a Table without a key. */
  async append(rows: readonly Row[], schema: TableSchema): Promise<Committed> {
    const answer = await this.writer.writer.append(rows, optionsOf(schema))
    const { revision, first } = answer
    const told = rows.map((row, index): Told => {
      const id = `${first} ${String(index).padStart(3, '0')}`
      return { id, old: undefined, new: { row, revision: first } }
    })
    this.model.take(revision, told)
    return answer
  }

  /** The last revision that the lake holds. */
  async archived(): Promise<number> {
    const state = await readState(this.writer.lake)
    return state === undefined ? 0 : archivedRevision(state, this.writer)
  }

  /** Makes the log forget what the lake holds. */
  async purge(): Promise<void> {
    await purgeLog(this.lake.on.log, await this.archived(), { retentionSeconds: 0, now: Date.now() + 60_000 })
  }

  /**
   * Cuts the history down to the last checkpoint before `olderThan`, in milliseconds since 1970 by the clock of the commits, and
   * removes what only it needed. No archiver may be about to commit.
   * @returns the version that the log begins with now; undefined when nothing was cut
   */
  async clean(olderThan: number): Promise<number | undefined> {
    const { lake } = this.writer
    const state = await readState(lake)
    if (state === undefined) return undefined
    const begin = await cleanLog(lake, state, { olderThan })
    // By the store's clock, so that all goes which is not named.
    await vacuum(lake, state, { olderThan: Date.now() + 3_600_000, keep: () => false, leastAgeMillis: -60_000 })
    return begin
  }

  get reader(): Reader | undefined {
    return this.#reader
  }

  /** The process that reads, opened over what its folder holds unless it runs. */
  async openReader(): Promise<Reader> {
    if (this.#reader !== undefined) return this.#reader
    const name = `reader-${this.#readers}`
    const sql = await openSqlDatabase(join(this.lake.folder, `${name}.duckdb`), { memory: '256MB', threads: 1 })
    const table = this.lake.open(name, this.lake.objects, async () => sql)
    this.#reader = { table, sql }
    await table.replica()
    return this.#reader
  }

  async closeReader(): Promise<void> {
    const reader = this.#reader
    this.#reader = undefined
    await reader?.table.close()
    await reader?.sql.close()
  }

  /** The next reader knows nothing. */
  async loseReader(): Promise<void> {
    await this.closeReader()
    this.#readers++
  }

  /** The reader, which knows the newest schema and has all columns and, where they have keys, all rows. */
  async upToDate(): Promise<Reader & { readonly replica: TableReplica }> {
    const { table, sql } = await this.openReader()
    const { last, newest } = this.model
    await table.schemas.reach(newest.number)
    const replica = await this.insist(() => table.reached(last, 'columns', patience()))
    if (this.keyed) await this.insist(() => table.reached(last, 'rows', patience()))
    return { table, sql, replica }
  }

  /** A replica that a purge overtakes is opened anew, as its callers see. */
  async insist<T>(ask: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask()
      } catch (error) {
        if (attempt === 5 || !isBlastyError(error, 'TABLE_NOT_READY')) throw error
      }
    }
  }

  /** Fails the test when a replica could not follow for another reason than that a purge had overtaken it. */
  static assertFollowed(failures: readonly unknown[]): void {
    const bad = failures.filter(error => !isBlastyError(error, 'LOG_GAP', 'TABLE_NOT_READY'))
    assert.deepEqual(bad, [], 'replicas can follow, or a purge has overtaken them')
  }
}

const optionsOf = ({ number }: TableSchema) => ({ principal: 'p', schema: number, signal: patience() })
