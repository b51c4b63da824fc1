/** A random history as it happens to a Table on real servers, and what its model, its log and its lake's commits say of it. */
import assert from 'node:assert/strict'
import type { ObjectStore } from '../../backends/object-store/store.ts'
import { rowJson } from '../../engine/lake/columns.ts'
import { demandArchive } from '../../engine/lake/demand.ts'
import type { TestLake } from '../../engine/lake/testing.ts'
import { LakeHistory } from '../../engine/lake/testing-history.ts'
import { inAnyOrder, narrowed, type Version, widened } from '../../engine/lake/testing-model.ts'
import type { RowChange } from '../../engine/log/writer.ts'
import type { StoredRow } from '../../engine/replica/change.ts'
import { rowCodec } from '../../engine/schema/rows.ts'
import type { Row, TableSchema } from '../../engine/schema/schema.ts'
import type { Table } from '../../engine/table.ts'
import { patience, storedTime, timeText } from '../../engine/testing.ts'
import { rowsOf, sqlName } from '../../engine/testing-table.ts'
import { type Archive, type Change, type Command, keyOf, rowFrom } from './history-commands.ts'
import { type LakeVersion, LakeVersions } from './lake-versions.ts'
import type { LakeTable } from './reader.ts'

export class TableHistory {
  readonly on: LakeHistory
  readonly versions: LakeVersions
  readonly #archiving: Table
  /** When the row of a revision was committed, by the log's own word. */
  readonly #times = new Map<number, string>()
  #caches = 0
  /** The archiver's, in milliseconds since 1970. */
  #clock = Date.now() - 86_400_000

  /** `objects`: the store as those know it who write to the lake. */
  constructor(lake: TestLake, schema: TableSchema, objects: ObjectStore) {
    this.on = new LakeHistory(lake, schema, objects)
    this.versions = new LakeVersions(this.on.writer.lake)
    this.#archiving = lake.open('archiving', objects)
  }

  /** Where readers find its lake. */
  get place(): LakeTable {
    const { bucket, root } = this.on.writer.lake
    return { bucket, path: root }
  }

  /** The schema that a version of the lake was written under. */
  schemaOf({ schema }: LakeVersion): TableSchema {
    return this.on.model.schemas[schema - 1] ?? this.on.model.newest
  }

  /** A row as a schema shows it, with what the lake says of its commit. */
  shown(version: Version, schema: TableSchema): Row {
    return { ...this.on.model.shown(version, schema), _commit_time: this.#times.get(version.revision) ?? null }
  }

  async do(step: Exclude<Command, { readonly kind: 'look' }>): Promise<void> {
    const { model } = this.on
    switch (step.kind) {
      case 'write':
        return this.#write(step.changes, model.behind(step.behind))
      case 'blink':
        for (const op of step.ops) await this.#write([{ key: step.key, op, seed: step.seed }], model.newest)
        return
      case 'add':
        return this.on.announce(widened(model.newest, step.type))
      case 'retire': {
        const next = narrowed(model.newest, step.which, ['id', 'n'])
        return next && this.on.announce(next)
      }
      case 'archive':
        return this.archive(step)
      case 'clean':
        return this.#clean(step.share)
      case 'purge':
        await this.on.purge()
        return step.readerLost ? this.on.loseReader() : undefined
    }
  }

  async #write(changes: readonly Change[], schema: TableSchema): Promise<void> {
    const codec = rowCodec(schema, 'test')
    const given = changes.map(({ key, op, seed }): RowChange => {
      const id = keyOf(key)
      return { op, row: op === 'delete' ? id : codec.row(rowFrom(schema, seed, id), 'row') }
    })
    // What is appended is never deleted: a row without any value stands for it.
    const { first, revision } = this.on.keyed
      ? await this.on.write(given, schema)
      : await this.on.append(
          given.map(({ op, row }) => (op === 'delete' ? {} : row)),
          schema,
        )
    const time = await storedTime(this.on.writer.log, revision)
    for (let row = first; row <= revision; row++) this.#times.set(row, time)
  }

  /** Carries all that was written into the lake. */
  async archive({ each, lost, checkpointVersions, minutes }: Omit<Archive, 'kind'>): Promise<void> {
    const { model, lake } = this.on
    if (!model.begun) return
    if (lost) this.#caches++
    this.#clock += minutes * 60_000
    const archiver = lake.archiver(this.#archiving, `lake-${this.#caches}`, {
      commitWindowMillis: each ? 0 : 3_600_000,
      checkpointVersions,
      now: () => this.#clock,
    })
    demandArchive(this.#archiving, model.last)
    await archiver.reached(model.last)
    await archiver.stop()
    assert.deepEqual(archiver.failures, [])
    await this.versions.follow()
  }

  /** Forgets a part of the lake's history, or all that may be forgotten, by the clock of its commits. */
  async #clean(share: number): Promise<void> {
    const { kept } = this.versions
    const until = kept[Math.ceil(kept.length * share) - 1]
    if (until === undefined) return
    const begin = await this.on.clean(until.timestamp)
    if (begin !== undefined) this.versions.begin = begin
  }

  /** The Table's own SQL and feed against the model, from a replica that may have begun with the lake. */
  async assertOurs(): Promise<void> {
    const { model, keyed } = this.on
    const { table, sql, replica } = await this.on.upToDate()
    const row = rowJson(table.schemas.current)
    const bySql = await rowsOf(sql, `SELECT ${row} AS row, _revision, epoch_us(_commit_time) AS time FROM ${sqlName}`)
    const ours = bySql.map(({ row, _revision, time }) => {
      const version = { row: JSON.parse(String(row)), revision: Number(_revision) }
      return { ...model.shown(version), _commit_time: timeText(Number(time)) }
    })
    const rows = [...model.rows.values()].map(version => this.shown(version, model.newest))
    assert.deepEqual(inAnyOrder(ours), inAnyOrder(rows), 'rows by SQL')

    // What is appended is its own history, which no clean-up cuts. Where the first version's changes begin nobody knows any more.
    const cursor = keyed && this.versions.begin > 0 ? (this.versions.kept[0]?.revision ?? 0) : 0
    const stored = (given: StoredRow | undefined): Row | null => {
      if (given === undefined) return null
      const version = { row: given.row(table.schemas.codec), revision: given.revision }
      return { ...model.shown(version), _commit_time: timeText(given.commitTime) }
    }
    const told: Row[] = []
    for await (const { revision, changes } of replica.source.changes(cursor, patience(), model.last))
      told.push(...changes.map(({ old, new: next }) => ({ revision, old: stored(old), new: stored(next) })))
    const meant = (version: Version | undefined) => (version === undefined ? null : this.shown(version, model.newest))
    const expected = model.batches
      .filter(({ revision }) => revision > cursor)
      .flatMap(({ revision, changes }) =>
        changes.map(({ old, new: next }): Row => ({ revision, old: meant(old), new: meant(next) })),
      )
    assert.deepEqual(inAnyOrder(told), inAnyOrder(expected), `changes behind ${cursor}`)
  }
}
