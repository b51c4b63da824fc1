/** Rows of append-only Tables that are too old are gone from SQL, snapshots and every version of the lake behind; what was is kept as history. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { watch } from '../feed/watch.ts'
import { writeCheckpoint } from '../lake/delta/checkpoint.ts'
import { cleanLog } from '../lake/delta/clean-up.ts'
import { readState } from '../lake/delta/state.ts'
import { demandArchive } from '../lake/demand.ts'
import { expiredRevision } from '../lake/expiry.ts'
import { archivedRevision } from '../lake/files.ts'
import { type TestLake, testLake } from '../lake/testing.ts'
import { expireRows } from '../log/control.ts'
import { logState } from '../log/log.ts'
import { purgeLog } from '../log/retention.ts'
import { PastDatabases } from '../past/databases.ts'
import { closeAll, loseLog, openEpoch, repairLog } from '../repair/testing.ts'
import { verifyTable } from '../repair/verify.ts'
import { openSqlDatabase } from '../replica/sql-database.ts'
import type { Table } from '../table.ts'
import { eventSchema, patience, unwatched } from '../testing.ts'
import { rowsOf } from '../testing-table.ts'
import { lookAtLake } from './appended.ts'
import { commitTimeOf, expireAt, startExpiring, whenDue } from './testing.ts'

const options = () => ({ principal: 'p', schema: 1, signal: patience() })
const limits = { memory: '800MB', threads: 1 }

type Batch = { readonly revision: number; readonly time: number; readonly numbers: readonly number[] }

class Scene implements AsyncDisposable {
  readonly lake: TestLake
  readonly table: Table
  readonly batches: Batch[] = []
  readonly #running = new AsyncDisposableStack()

  constructor(lake: TestLake) {
    this.lake = lake
    this.table = lake.open('worker')
  }

  /** Appends a batch of rows; the next is later by the clock of the log. */
  async append(...numbers: number[]): Promise<Batch> {
    const { table } = this
    const rows = numbers.map(n => table.schemas.codec.row({ n }, 'row'))
    const { revision } = await table.writer.append(rows, options())
    const batch = { revision, time: await commitTimeOf(table, revision), numbers }
    this.batches.push(batch)
    return batch
  }

  async last(): Promise<number> {
    return (await this.table.log.streams.admin.streams.info(this.table.log.stream)).state.last_seq
  }

  /** Archives all that the log holds, as one version at least. */
  async archive(): Promise<void> {
    const last = await this.last()
    const archiver = this.lake.archiver(this.table, 'lake', { commitWindowMillis: 60_000 })
    const held = async () => archivedRevision((await readState(this.table.lake)) ?? { txns: new Map() }, this.table)
    for (const late = patience(); (await held()) < last; late.throwIfAborted()) demandArchive(this.table, last)
    await archiver.stop()
  }

  async purge(): Promise<void> {
    const state = await readState(this.table.lake)
    assert.ok(state)
    await purgeLog(this.table.log, await this.last(), { retentionSeconds: 0, now: Date.now() + 60_000 })
  }

  /** What SQL shows to a facade that begins with nothing, or goes on. */
  async facade(directory: string): Promise<{ readonly table: Table; readonly numbers: () => Promise<number[]> }> {
    const sql = await openSqlDatabase(join(this.lake.folder, `${directory}.duckdb`), { memory: '256MB', threads: 1 })
    const table = this.lake.open(directory, this.lake.objects, async () => sql)
    this.#running.defer(async () => {
      await table.close()
      await sql.close()
    })
    const numbers = async () => {
      await table.reached(await this.last(), 'columns', patience())
      return (await rowsOf(sql, 'SELECT n FROM films ORDER BY n')).map(({ n }) => Number(n))
    }
    return { table, numbers }
  }

  async inLake(): Promise<number[]> {
    return (await this.lake.rows(this.table)).rows.map(({ n }) => Number(n))
  }

  async past(directory = 'past'): Promise<PastDatabases> {
    const past = new PastDatabases({ directory: join(this.lake.folder, directory), limits, memory: unwatched })
    this.#running.defer(() => past.close())
    return past
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.disposeAsync()
    await this.lake.close()
  }
}

const scene = async () => new Scene(await testLake(eventSchema))

async function asOf(past: PastDatabases, table: Table, revision: number): Promise<number[]> {
  const lease = await past.lease('test', async () => [{ table, revision }], patience())
  try {
    return (await rowsOf(lease.database, 'SELECT n FROM films ORDER BY n')).map(({ n }) => Number(n))
  } finally {
    lease.release()
  }
}

/** Rows of a watch's snapshot, and what comes behind `ready`, up to a revision. */
async function watched(table: Table, until: number, revision?: number): Promise<{ rows: number[]; events: number[] }> {
  const start = revision === undefined ? ({ from: 'snapshot' } as const) : ({ from: 'revision', revision } as const)
  const seen = { rows: [] as number[], events: [] as number[] }
  const n = (row: { row: (codec: Table['schemas']['codec']) => Readonly<Record<string, unknown>> } | undefined) =>
    Number(row?.row(table.schemas.codec).n)
  for await (const message of watch(table, { start, test: () => true, signal: patience(), heartbeatMillis: 10 })) {
    if (message.kind === 'rows') seen.rows.push(...message.rows.map(n))
    else if (message.kind === 'events') seen.events.push(...message.events.map(({ new: row }) => n(row)))
    if (message.kind !== 'rows' && (message.revision ?? 0) >= until) return seen
  }
  return seen
}

test('rows that are too old are gone from SQL, snapshots and the lake alike, within a file and whole files of them', async () => {
  await using on = await scene()
  const { table, lake } = on
  const early = await on.facade('early')
  await on.append(1, 2)
  await on.archive()
  const old = await on.append(3)
  await on.append(4, 5)
  await on.archive()
  await on.append(6)
  assert.deepEqual(await early.numbers(), [1, 2, 3, 4, 5, 6])
  const { expired, oldest } = await expireAt(table, lake.folder, whenDue(old.time))
  assert.equal(expired, old.revision)
  assert.ok(oldest !== undefined && oldest > old.time)
  await on.archive()
  const left = [4, 5, 6]
  assert.deepEqual(await early.numbers(), left, 'in a facade that runs')
  assert.deepEqual(await (await on.facade('late')).numbers(), left, 'in one that begins')
  assert.deepEqual(await on.inLake(), left)
  const last = await on.last()
  assert.deepEqual(await watched(early.table, last), { rows: left, events: [] })
  const { findings } = await verifyTable(table, { directory: join(lake.folder, 'verify'), signal: patience() })
  assert.deepEqual(
    findings.parts.flatMap(({ first }) => first),
    [],
  )
  // Again nothing is due: nothing is written.
  await expireAt(table, lake.folder, whenDue(old.time))
  assert.equal(await on.last(), last)
  await on.purge()
  assert.deepEqual(await (await on.facade('later')).numbers(), left, 'from the lake alone')
  assert.deepEqual(await watched((await on.facade('latest')).table, last), { rows: left, events: [] })
})

test('what a watcher missed and nobody can tell any more is an error, and a cursor behind that is not', async () => {
  await using on = await scene()
  const first = await on.append(1)
  const old = await on.append(2)
  const third = await on.append(3)
  await on.archive()
  await expireAt(on.table, on.lake.folder, whenDue(old.time))
  await on.archive()
  const last = await on.last()
  // The log still holds them.
  assert.deepEqual(await watched(on.lake.open('a'), last, first.revision), { rows: [], events: [2, 3] })
  await on.purge()
  const late = on.lake.open('b')
  await assert.rejects(watched(late, last, first.revision), error => isBlastyError(error, 'CURSOR_EXPIRED'))
  assert.deepEqual(await watched(late, last, old.revision), { rows: [], events: [3] })
  // Who has what is gone hears of it, also who asks for no more than was known before.
  const { source } = await late.reached(last, 'rows', patience())
  const told = await Array.fromAsync(source.changes(old.revision, patience(), third.revision))
  assert.deepEqual(
    told.map(({ revision, expired }) => [revision, expired]),
    [
      [third.revision, undefined],
      [third.revision, old.revision],
    ],
  )
})

test('a Table at every revision and time before rows were removed still has them, for as long as the history lasts', async () => {
  await using on = await scene()
  const { table, lake } = on
  const past = await on.past()
  const states: { revision: number; time: number; numbers: number[] }[] = []
  const note = async (numbers: number[]) => {
    const revision = await on.last()
    states.push({ revision, time: await commitTimeOf(table, revision), numbers })
  }
  let all: number[] = []
  const append = async (...numbers: number[]) => {
    const batch = await on.append(...numbers)
    all = [...all, ...numbers]
    await note(all)
    return batch
  }
  const expire = async (batch: Batch) => {
    await expireAt(table, lake.folder, whenDue(batch.time))
    const gone = new Set(
      on.batches.filter(({ revision }) => revision <= batch.revision).flatMap(({ numbers }) => numbers),
    )
    all = all.filter(n => !gone.has(n))
    await note(all)
  }
  await append(1, 2)
  const one = await append(3)
  await append(4)
  await on.archive()
  await append(5)
  await on.archive()
  await expire(one)
  const two = await append(6)
  await on.archive()
  await append(7)
  await on.archive()
  await expire(two)
  await on.archive()
  await append(8)
  const check = async (fresh: Table) => {
    for (let revision = 0; revision <= (await on.last()); revision++) {
      const wanted = states.findLast(state => state.revision <= revision)?.numbers ?? []
      assert.deepEqual(await asOf(past, fresh, revision), wanted, `as of ${revision}`)
    }
    for (const { time } of states) {
      for (const moment of [time - 1, time]) {
        const wanted = states.findLast(state => state.time <= moment)
        const revision = await past.revisionAtTime(fresh, moment, patience())
        const found = states.findLast(state => state.revision <= revision)
        assert.deepEqual(found?.numbers, wanted?.numbers, `at ${moment} of ${time}`)
      }
    }
  }
  await check(lake.open('fresh'))
  await purgeLog(table.log, states.at(-2)?.revision ?? 0, { retentionSeconds: 0, now: Date.now() + 60_000 })
  await check(lake.open('purged'))
  const state = await readState(table.lake)
  assert.ok(state)
  assert.equal(expiredRevision(state, table), two.revision)
  await writeCheckpoint(table.lake, state, lake.folder)
  await cleanLog(table.lake, state, { olderThan: Number.MAX_SAFE_INTEGER })
  const cleaned = lake.open('cleaned')
  const later = await on.past('later')
  const refused = (error: unknown) => isBlastyError(error, 'REVISION_EXPIRED')
  await assert.rejects(asOf(later, cleaned, two.revision), refused)
  await assert.rejects(later.revisionAtTime(cleaned, two.time, patience()), refused)
  assert.deepEqual(await asOf(later, cleaned, await on.last()), [7, 8])
})

test('two that remove at once, one that begins anew, and an earlier expiry that comes late change nothing more', async () => {
  await using on = await scene()
  const { table, lake } = on
  const first = await on.append(1)
  const old = await on.append(2)
  await on.append(3)
  await on.archive()
  const running = ['b', 'c'].map(name =>
    startExpiring(lake.open(name), join(lake.folder, name), { now: async () => whenDue(old.time) }),
  )
  for (const one of running) await one.looked(1)
  for (const one of running) await one.stop()
  assert.deepEqual(
    running.flatMap(({ failures }) => failures),
    [],
  )
  assert.equal(await on.last(), 4)
  await on.archive()
  await on.purge()
  await expireRows(table.log, first.revision)
  await on.append(4)
  await on.archive()
  assert.deepEqual(await on.inLake(), [3, 4])
  assert.deepEqual(await (await on.facade('late')).numbers(), [3, 4])
  const state = await readState(table.lake)
  assert.ok(state)
  assert.equal(expiredRevision(state, table), old.revision)
})

test('a log that is begun anew knows what was removed before', async () => {
  const lake = await testLake(eventSchema)
  try {
    const table = openEpoch(lake, 1)
    const append = async (to: Table, n: number) => {
      const { revision } = await to.writer.append([to.schemas.codec.row({ n }, 'row')], options())
      return revision
    }
    const old = await append(table, 1)
    const archiver = lake.archiver(table, 'lake')
    await archiver.reached(await append(table, 2))
    await expireAt(table, lake.folder, whenDue(await commitTimeOf(table, old)))
    const { last } = await logState(table.log)
    await archiver.reached(last)
    await archiver.stop()
    await loseLog(lake)
    await repairLog(table, last)
    const next = openEpoch(lake, 2)
    const third = await append(next, 3)
    assert.deepEqual(await watched(next, third), { rows: [2, 3], events: [] })
    const { due, expired } = await lookAtLake(next, 0, lake.folder)
    assert.deepEqual([due, expired], [old, old])
  } finally {
    await closeAll(lake)
  }
})
