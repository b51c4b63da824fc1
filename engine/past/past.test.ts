/** SQL over a Table as it was: at every revision and time what a model of its history says, and nothing else. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import fc, { runs } from '../../test/random.ts'
import { writeCheckpoint } from '../lake/delta/checkpoint.ts'
import { cleanLog } from '../lake/delta/clean-up.ts'
import { readState } from '../lake/delta/state.ts'
import { type TestArchiver, type TestLake, testLake } from '../lake/testing.ts'
import { announceSchema } from '../log/control.ts'
import { purgeLog } from '../log/retention.ts'
import type { RowChange } from '../log/writer.ts'
import { writeSchema } from '../schema/documents.ts'
import type { TableSchema } from '../schema/schema.ts'
import type { Table } from '../table.ts'
import { eventSchema, filmSchema, patience, unwatched } from '../testing.ts'
import { rowsOf, sqlName } from '../testing-table.ts'
import { PastDatabases } from './databases.ts'

const options = (schema = 1) => ({ principal: 'p', schema, signal: patience() })
const limits = { memory: '800MB', threads: 1 }
const put = (table: Table, id: string, title: string): RowChange => ({
  op: 'put',
  row: table.schemas.codec.row({ id, title }, 'row'),
})

type Scene = { readonly lake: TestLake; readonly past: PastDatabases; readonly table: Table }

async function scene(schema: TableSchema, run: (scene: Scene) => Promise<void>): Promise<void> {
  const lake = await testLake(schema)
  const past = new PastDatabases({ directory: join(lake.folder, 'past'), limits, memory: unwatched })
  try {
    await run({ lake, past, table: lake.open('a') })
  } finally {
    await past.close()
    await lake.close()
  }
}

/** Rows of a statement over the Table as of a revision, and the revision that they say they are of. */
async function asOf(past: PastDatabases, table: Table, revision: number, statement: string) {
  const lease = await past.lease('test', async () => [{ table, revision }], patience())
  try {
    const [position] = await rowsOf(lease.database, 'SELECT revision FROM _blasty_positions')
    return { rows: await rowsOf(lease.database, statement), revision: Number(position?.revision) }
  } finally {
    lease.release()
  }
}

const titlesAsOf = async (past: PastDatabases, table: Table, revision: number) => {
  const { rows } = await asOf(past, table, revision, `SELECT id, title FROM ${sqlName} ORDER BY id`)
  return rows.map(({ id, title }) => [id, title])
}

async function archive({ lake, table }: Scene, revision: number): Promise<void> {
  const archiver: TestArchiver = lake.archiver(table, 'lake')
  await archiver.reached(revision)
  await archiver.stop()
}

async function purge({ lake }: Scene, archived: number): Promise<void> {
  const { state } = await lake.on.streams.admin.streams.info(lake.on.log.stream)
  if (state.first_seq > archived) return // as before: there is nothing left to purge
  const upTo = await purgeLog(lake.on.log, archived, { retentionSeconds: 0, now: Date.now() + 60_000 })
  assert.equal(upTo, archived)
}

/** When each batch was committed, by its revision. */
async function commitTimes(table: Table, last: number): Promise<Map<number, number>> {
  const replica = await table.reached(last, 'rows', patience())
  const times = new Map<number, number>()
  for await (const { revision, commitTime } of replica.source.changes(0, patience(), last))
    if (commitTime > 0) times.set(revision, commitTime)
  return times
}

/** What is true at each batch's end must be so at every revision up to the next, and at every time. */
async function checkAll(
  { past }: Scene,
  table: Table,
  states: ReadonlyMap<number, unknown>,
  times: ReadonlyMap<number, number>,
  statement: string,
): Promise<void> {
  const ends = [...states.keys()].sort((a, b) => a - b)
  const last = ends.at(-1) ?? 0
  for (let revision = 0; revision <= last; revision++) {
    const end = ends.findLast(one => one <= revision) ?? 0
    const { rows } = await asOf(past, table, revision, statement)
    assert.deepEqual(rows, states.get(end) ?? [], `as of revision ${revision}`)
  }
  const atTime = async (time: number) =>
    (await asOf(past, table, await past.revisionAtTime(table, time, patience()), statement)).rows
  for (const [revision, time] of times) {
    const stateAt = (moment: number) => states.get(ends.findLast(one => (times.get(one) ?? 0) <= moment) ?? 0) ?? []
    assert.deepEqual(await atTime(time), stateAt(time), `at the very time of ${revision}`)
    assert.deepEqual(await atTime(time - 1), stateAt(time - 1), `just before ${revision}`)
  }
  assert.deepEqual(await atTime(Date.now() * 1000), states.get(last))
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      changes: fc.uniqueArray(
        fc.record({ key: fc.nat(4), title: fc.option(fc.constantFrom('', 'Ä💡', "it's", 'x'), { nil: undefined }) }),
        { selector: ({ key }) => key, minLength: 1, maxLength: 4 },
      ),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('archive' as const), purge: fc.boolean() }) },
)

test('a keyed Table at every revision and time is what it was, in the lake or not yet, whatever the log still holds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 9 }), steps =>
      scene(filmSchema, async on => {
        const { lake, table } = on
        const rows = new Map<string, { id: string; title: string; _revision: string }>()
        const states = new Map<number, unknown>([[0, []]])
        let last = 0
        /** Batches that change no row are not worth a commit of the lake. */
        let changed = 0
        for (const one of steps) {
          if (one.kind === 'write') {
            const changes = one.changes.map(({ key, title }): RowChange => {
              const id = `k${key}`
              return title === undefined ? { op: 'delete', row: { id } } : put(table, id, title)
            })
            const { revision, first } = await table.writer.write(changes, options())
            for (const [index, { key, title }] of one.changes.entries()) {
              const id = `k${key}`
              if (title !== undefined || rows.has(id)) changed = revision
              if (title === undefined) rows.delete(id)
              else rows.set(id, { id, title, _revision: String(first + index) })
            }
            last = revision
            states.set(
              last,
              [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
            )
          } else if (changed > 0) {
            await archive(on, changed)
            if (one.purge) await purge(on, changed)
          }
        }
        if (last === 0) return
        const times = await commitTimes(table, last)
        const statement = `SELECT id, title, _revision FROM ${sqlName} ORDER BY id`
        await checkAll(on, lake.open('fresh'), states, times, statement)
      }),
    ),
    { numRuns: runs(3), endOnFailure: true },
  )
})

test('an append-only Table at every revision and time is what it was, also of history that is cleaned up', async () => {
  await scene(eventSchema, async on => {
    const { lake, table } = on
    const states = new Map<number, unknown>([[0, []]])
    let all: { n: string }[] = []
    const append = async (...numbers: number[]) => {
      const rows = numbers.map(n => table.schemas.codec.row({ n }, 'row'))
      const { revision } = await table.writer.append(rows, options())
      all = [...all, ...numbers.map(n => ({ n: String(n) }))]
      states.set(revision, all)
      return revision
    }
    await append(1, 2)
    await archive(on, await append(3))
    await archive(on, await append(4))
    const archived = await append(5, 6)
    await archive(on, archived)
    const last = await append(7)
    const times = await commitTimes(table, last)
    await purge(on, archived)
    await forget(on)
    await checkAll(on, lake.open('fresh'), states, times, `SELECT n FROM ${sqlName} ORDER BY n`)
  })
})

/** Cleans up all versions but the newest. */
async function forget({ lake, table }: Scene): Promise<void> {
  const state = await readState(table.lake)
  assert.ok(state)
  await writeCheckpoint(table.lake, state, lake.folder)
  await cleanLog(table.lake, state, { olderThan: Number.MAX_SAFE_INTEGER })
}

test('what the lake no longer remembers is refused, and the oldest that is kept is named', async () => {
  await scene(filmSchema, async on => {
    const { lake, past, table } = on
    const first = await table.writer.write([put(table, 'a', 'one')], options())
    await archive(on, first.revision)
    const second = await table.writer.write([put(table, 'a', 'two')], options())
    await archive(on, second.revision)
    const times = await commitTimes(table, second.revision)
    const third = await table.writer.write([put(table, 'a', 'three')], options())
    await purge(on, second.revision)
    await forget(on)
    const fresh = lake.open('fresh')
    const refused = (error: unknown) =>
      isBlastyError(error, 'REVISION_EXPIRED') && error.details.oldest === second.revision
    await assert.rejects(titlesAsOf(past, fresh, first.revision), refused)
    await assert.rejects(past.revisionAtTime(fresh, times.get(first.revision) ?? 0, patience()), refused)
    assert.deepEqual(await titlesAsOf(past, fresh, second.revision), [['a', 'two']])
    assert.deepEqual(await titlesAsOf(past, fresh, third.revision), [['a', 'three']])
    assert.equal(await past.revisionAtTime(fresh, times.get(second.revision) ?? 0, patience()), second.revision)
  })
})

test('a revision beyond the log is refused at once', async () => {
  await scene(filmSchema, async ({ past, table }) => {
    const { revision } = await table.writer.write([put(table, 'a', 'one')], options())
    await assert.rejects(titlesAsOf(past, table, revision + 1), error => isBlastyError(error, 'REVISION_NOT_REACHED'))
    assert.deepEqual(await titlesAsOf(past, table, revision), [['a', 'one']])
  })
})

test('rows of the past have the columns in force now', async () => {
  await scene(filmSchema, async on => {
    const { lake, past, table } = on
    const row = table.schemas.codec.row({ id: 'a', title: 'one', year: 1999 }, 'row')
    const before = await table.writer.write([{ op: 'put', row }], options())
    await archive(on, before.revision)
    const next: TableSchema = {
      ...filmSchema,
      number: 2,
      columns: [
        ...filmSchema.columns.filter(({ name }) => name !== 'year'),
        { name: 'director', type: 'String', required: false, field: 15 },
      ],
      retired: [{ name: 'year', field: 14 }],
    }
    await writeSchema(lake.objects, lake.bucket, next)
    await announceSchema(lake.on.log, 2)
    await table.schemas.reach(2)
    const later = table.schemas.codec.row({ id: 'a', title: 'two', director: 'x' }, 'row')
    const after = await table.writer.write([{ op: 'put', row: later }], options(2))
    await archive(on, after.revision)
    const statement = `SELECT * EXCLUDE (_commit_time) FROM ${sqlName}`
    const shown = async (revision: number) => {
      const { rows } = await asOf(past, table, revision, statement)
      assert.equal(rows.length, 1)
      return rows[0]
    }
    const old = await shown(before.revision)
    assert.deepEqual([old?.title, old?.director, 'year' in (old ?? {})], ['one', null, false])
    assert.equal((await shown(after.revision))?.director, 'x')
  })
})

test('those who ask for the same share one copy, and it ends with the last who waits for it', async () => {
  await scene(filmSchema, async ({ past, table }) => {
    const { revision } = await table.writer.write([put(table, 'a', 'one')], options())
    const ask = (signal: AbortSignal) => past.lease('test', async () => [{ table, revision }], signal)
    const leaving = new AbortController()
    const left = ask(leaving.signal)
    leaving.abort(new Error('gone'))
    await assert.rejects(left, /gone/)
    assert.equal(past.size, 0)

    const [one, two] = await Promise.all([ask(patience()), ask(patience())])
    assert.equal(one.database, two.database)
    one.release()
    two.release()
    assert.equal(past.size, 1)
    // The same revision in another namespace's name is another instance.
    const other = await past.lease('other', async () => [{ table, revision }], patience())
    assert.notEqual(other.database, one.database)
    other.release()
  })
})

test('copies that nobody uses make room, and what does not fit on disk is refused', async () => {
  await scene(filmSchema, async ({ lake, past, table }) => {
    let last = 0
    for (const title of ['1', '2', '3', '4', '5', '6']) {
      last = (await table.writer.write([put(table, 'a', title)], options())).revision
      assert.deepEqual(await titlesAsOf(past, table, last), [['a', title]])
      assert.ok(past.size <= 4)
    }
    const small = new PastDatabases({ directory: join(lake.folder, 'small'), limits, memory: unwatched, maxBytes: 1 })
    try {
      await assert.rejects(titlesAsOf(small, table, last), error => isBlastyError(error, 'QUERY_LIMIT'))
      assert.equal(small.size, 0)
    } finally {
      await small.close()
    }
  })
})

test('a plan over Tables as they were loads none of their rows, and pushes no copy out', async () => {
  await scene(filmSchema, async ({ past, table }) => {
    const { revision } = await table.writer.write([put(table, 'a', 'one')], options())
    await titlesAsOf(past, table, revision)
    assert.equal(past.size, 1)
    const wanted = async () => [{ table, revision }]
    for (let time = 0; time < 5; time++) {
      const lease = await past.declare('test', wanted, patience())
      const plan = await rowsOf(lease.database, `EXPLAIN SELECT title FROM ${sqlName} WHERE id = 'a'`)
      assert.match(JSON.stringify(plan), /SEQ_SCAN|EMPTY_RESULT/)
      assert.deepEqual(await rowsOf(lease.database, `SELECT count(*)::INT AS n FROM ${sqlName}`), [{ n: 0 }])
      const [position] = await rowsOf(lease.database, 'SELECT revision FROM _blasty_positions')
      assert.equal(Number(position?.revision), revision)
      lease.release()
    }
    assert.equal(past.size, 1)
  })
})

test('a copy whose loading takes too much memory is given up, and all who wait for it are told', async () => {
  await scene(filmSchema, async ({ lake, table }) => {
    const { revision } = await table.writer.write([put(table, 'a', 'one')], options())
    let watched = 0
    const greedy = {
      enter: (end: () => void) => {
        watched++
        end()
        return () => watched--
      },
    }
    const past = new PastDatabases({ directory: join(lake.folder, 'greedy'), limits, memory: greedy })
    try {
      await Promise.all(
        [1, 2].map(() =>
          assert.rejects(titlesAsOf(past, table, revision), error => isBlastyError(error, 'QUERY_LIMIT')),
        ),
      )
      assert.deepEqual([past.size, watched], [0, 0])
    } finally {
      await past.close()
    }
  })
})
