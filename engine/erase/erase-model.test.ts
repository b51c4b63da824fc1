/** Random histories of writes, erasures, purges, and readers that come and go, beside an archiver and a worker that erases: against a model. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import fc, { runs } from '../../test/random.ts'
import { demandArchive } from '../lake/demand.ts'
import { openSnapshotAt } from '../lake/snapshot.ts'
import { type TestLake, testLake } from '../lake/testing.ts'
import { purgeLog } from '../log/retention.ts'
import type { Condition } from '../log/writer.ts'
import type { Table } from '../table.ts'
import { patience } from '../testing.ts'
import { eraseOnce } from './erase.ts'
import { eraseAll, foundInBucket, foundInStream, nothingHangs, personSchema, until, writing } from './testing.ts'

const keys = ['a', 'b', 'c'] as const
type Key = (typeof keys)[number]

type Step =
  | { readonly kind: 'put' | 'delete' | 'put if absent' | 'put if unchanged'; readonly key: Key }
  | { readonly kind: 'erase'; readonly keys: readonly Key[] }
  | { readonly kind: 'work' | 'archive' | 'purge' | 'reopen' | 'follow' | 'past' }

const key = fc.constantFrom(...keys)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constantFrom('put', 'delete', 'put if absent', 'put if unchanged'), key }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('erase'), keys: fc.uniqueArray(key, { minLength: 1 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constantFrom('work', 'archive', 'purge', 'reopen', 'follow', 'past') }),
  },
)

type Row = { readonly title: string; readonly revision: number }

/** A revision that no record has: that of a tombstone would do as a condition. */
const neverGiven = 2 ** 40

class History {
  readonly #lake: TestLake
  readonly #table: Table
  readonly #archived: (revision: number) => Promise<unknown>
  readonly #rows = new Map<Key, Row>()
  /** The rows as they were at each revision at which something changed. */
  readonly #past: { readonly revision: number; readonly titles: readonly string[] }[] = []
  /** What must be found nowhere once the erasures are done. */
  readonly #forgotten: string[] = []
  #reader: Table
  #last = 0

  constructor(lake: TestLake, table: Table, archived: (revision: number) => Promise<unknown>) {
    this.#lake = lake
    this.#table = table
    this.#archived = archived
    this.#reader = lake.open('reader')
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const one of steps) await this.#step(one)
    await eraseAll(this.#table, join(this.#lake.folder, 'scratch'))
    await this.#check(this.#table)
    await this.#check(this.#lake.open('fresh'))
    await this.#reopen()
    await this.#check(this.#reader)
    if (this.#last === 0) return
    await this.#archived(this.#last)
    const { rows } = await this.#lake.rows(this.#table)
    assert.deepEqual(rows.map(({ title }) => title).sort(), this.#titles(), 'the lake')
    const needles = this.#forgotten.map(title => Buffer.from(title))
    if (needles.length === 0) return
    assert.deepEqual(await foundInBucket(this.#lake.objects, this.#lake.bucket, needles), [])
    assert.deepEqual(await foundInStream(this.#lake.on.streams, this.#table.log.stream, needles), [])
  }

  async #step(one: Step): Promise<void> {
    switch (one.kind) {
      case 'put':
        return this.#put(one.key)
      case 'put if absent':
        return this.#put(one.key, { kind: 'absent' }, 'ROW_EXISTS', !this.#rows.has(one.key))
      case 'put if unchanged': {
        const revision = this.#rows.get(one.key)?.revision
        return this.#put(
          one.key,
          { kind: 'revision', revision: revision ?? neverGiven },
          'REVISION_CONFLICT',
          revision !== undefined,
        )
      }
      case 'delete': {
        const { revision } = await this.#table.writer.write([{ op: 'delete', row: { id: one.key } }], writing())
        this.#rows.delete(one.key)
        return this.#changed(revision)
      }
      case 'erase': {
        const rows = one.keys.map(id => ({ id }))
        const { revision } = await this.#table.writer.erase(randomUUID(), rows, writing())
        for (const id of one.keys) {
          this.#forgotten.push(...this.#written.filter(title => title.startsWith(`${id} `)))
          this.#rows.delete(id)
        }
        return this.#changed(revision)
      }
      case 'work': {
        const scratch = join(this.#lake.folder, 'scratch')
        await eraseOnce({ table: this.#table, dependents: nothingHangs, scratch, signal: patience(), settleMillis: 1 })
        return
      }
      case 'archive':
        if (this.#last > 0) await this.#archived(this.#last)
        return
      case 'purge':
        if (this.#last === 0) return
        await this.#archived(this.#last)
        await purgeLog(this.#table.log, this.#last, { retentionSeconds: 0, now: Date.now() + 60_000 })
        return
      case 'reopen':
        return this.#reopen()
      case 'follow':
        return this.#check(this.#reader)
      case 'past':
        return this.#lookBack()
    }
  }

  /** Titles ever written, each once. */
  readonly #written: string[] = []

  async #put(id: Key, condition?: Condition, refusal?: 'ROW_EXISTS' | 'REVISION_CONFLICT', fits = true): Promise<void> {
    const title = `${id} ${randomUUID()}`
    const row = this.#table.schemas.codec.row({ id, title }, 'row')
    const writes = this.#table.writer.write([{ op: 'put', row, ...(condition && { condition }) }], writing())
    if (!fits && refusal !== undefined) {
      await assert.rejects(writes, error => isBlastyError(error, refusal))
      return
    }
    const { revision, first } = await writes
    this.#written.push(title)
    this.#rows.set(id, { title, revision: first })
    this.#changed(revision)
  }

  #changed(revision: number): void {
    this.#last = revision
    this.#past.push({ revision, titles: this.#titles() })
  }

  #titles(): string[] {
    return [...this.#rows.values()].map(({ title }) => title).sort()
  }

  /** A process that ends, and another that begins with its cache. */
  async #reopen(): Promise<void> {
    await this.#reader.close()
    this.#reader = this.#lake.open('reader')
  }

  async #check(table: Table): Promise<void> {
    let found: unknown
    // A replica that is overtaken is loaded anew for who asks again.
    await until('the reader is there', async () => {
      try {
        const snapshot = (await table.reached(this.#last, 'rows', patience())).snapshot()
        found = [...snapshot.rows()].map(({ row }) => row.row(table.schemas.codec).title).sort()
        snapshot.close()
        return true
      } catch (error) {
        if (isBlastyError(error, 'TABLE_NOT_READY', 'LOG_GAP')) return false
        throw error
      }
    })
    assert.deepEqual(found, this.#titles())
  }

  /** The lake as it was is as the model was, or is said to be forgotten. */
  async #lookBack(): Promise<void> {
    for (const { revision, titles } of this.#past) {
      try {
        const snapshot = await openSnapshotAt(this.#table, revision, join(this.#lake.folder, 'past'))
        if (snapshot === undefined) return
        const found: unknown[] = []
        try {
          if (snapshot.revision !== revision) continue
          for await (const source of snapshot.files())
            for await (const rows of snapshot.parquet.read(this.#table.schemas.current, source))
              for (const { body } of rows) found.push(this.#table.schemas.codec.decode(Buffer.from(body)).title)
        } finally {
          await snapshot.close()
        }
        assert.deepEqual(found.sort(), titles)
      } catch (error) {
        if (!isBlastyError(error, 'REVISION_EXPIRED')) throw error
      }
    }
  }
}

test('random writes, erasures, purges and readers that come and go end as a model of them does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 40, size: 'max' }), async steps => {
      const lake = await testLake(personSchema, () => {})
      try {
        const table = lake.open('a')
        const archiver = lake.archiver(table, 'lake-a', { purgeMillis: Number.POSITIVE_INFINITY })
        // What changed no row is archived only for somebody who asks, and the asking may be lost.
        const archived = async (revision: number) => {
          const asking = setInterval(() => demandArchive(table, revision), 20)
          await archiver.reached(revision).finally(() => clearInterval(asking))
        }
        await new History(lake, table, archived).run(steps)
      } finally {
        await lake.close()
      }
    }),
    { numRuns: runs(8), endOnFailure: true }, // each case takes seconds
  )
})
