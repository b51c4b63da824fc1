/** Whoever has work with a Table stops when told to, also while the object store does not answer. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBlastyError } from '../base/errors.ts'
import { eraseOnce } from './erase/erase.ts'
import { nothingHangs } from './erase/testing.ts'
import { revisionAtTime } from './lake/as-of.ts'
import { readState } from './lake/delta/state.ts'
import { withParts } from './lake/testing-faults.ts'
import { silentStore } from './lake/testing-store.ts'
import { purgeLog } from './log/retention.ts'
import { PastDatabases } from './past/databases.ts'
import { archiveToEnd } from './repair/archive-to-end.ts'
import { restore } from './repair/restore.ts'
import { verifyTable } from './repair/verify.ts'
import type { SqlDatabase } from './replica/sql-database.ts'
import type { Table } from './table.ts'
import { eventSchema, filmSchema, patience, unwatched } from './testing.ts'
import { isSchema, limits, type Scene, scene } from './testing-silence.ts'

const stopped = new Error('stopped')
const notReady = (error: unknown) => isBlastyError(error, 'TABLE_NOT_READY')

/** Opens the Table in a folder, and closes it once somebody waits for a schema. */
async function closeWhileWaiting({ lake }: Scene, directory: string, sql?: () => Promise<SqlDatabase>): Promise<void> {
  const store = silentStore(lake.objects, isSchema)
  const table = lake.open(directory, store.objects, sql)
  const reading = assert.rejects(table.reached(0, sql === undefined ? 'rows' : 'columns', patience()), notReady)
  await store.asked
  await table.close()
  await reading
  assert.equal(store.pending(), 0)
}

test('a Table closes while its replica waits for a schema: of what it follows, of its snapshot, of its columns', async () => {
  await scene(filmSchema, async on => {
    const { lake, revision, sql } = on
    await closeWhileWaiting(on, 'follows')

    // The rows are at the end of the log already: only the columns still meet the schema, as they are or on their way.
    const instance = await sql()
    const before = lake.open('columns', lake.objects, async () => instance)
    await before.reached(revision, 'columns', patience())
    await before.close()
    await closeWhileWaiting(on, 'columns', async () => instance)
    const empty = await sql()
    await closeWhileWaiting(on, 'columns', async () => empty)

    await purgeLog(lake.on.log, revision, { retentionSeconds: 0, now: Date.now() + 60_000 })
    await closeWhileWaiting(on, 'snapshot')
    // Its files are let go of: where the system tells, nothing of them is in memory.
    if (process.platform === 'linux')
      assert.doesNotMatch(await readFile('/proc/self/maps', 'utf8'), new RegExp(`${lake.folder}/snapshot/`))
  })
})

test('a replica alone closes while it waits for a schema, for its rows or for its columns', async () => {
  await scene(filmSchema, async ({ lake, revision, sql }) => {
    const before = lake.open('a')
    await before.reached(revision, 'rows', patience())
    await before.close()
    // Rows that have to be followed, then rows that are there already and have no columns.
    for (const [directory, instance] of [['b'], ['a', await sql()]] as const) {
      const store = silentStore(lake.objects, isSchema)
      const table = lake.open(directory, store.objects, instance && (async () => instance))
      const replica = await table.replica()
      await store.asked
      await replica.close()
      assert.equal(store.pending(), 0)
      await table.close()
    }
  })
})

test('a Table that closes takes the schema from nobody else who waits for it', async () => {
  await scene(filmSchema, async ({ lake }) => {
    const store = silentStore(lake.objects, isSchema)
    const table = lake.open('a', store.objects)
    const reading = assert.rejects(table.reached(0, 'rows', patience()), notReady)
    await store.asked
    const waiting = table.schemas.reach(2)
    await table.close()
    await reading
    assert.equal(store.pending(), 1)
    store.speak()
    assert.equal((await waiting).number, 2)
  })
})

test('an archiver stops while it waits for a schema: of the lake, or of rows on their way there', async () => {
  for (const schema of [filmSchema, eventSchema]) {
    await scene(schema, async ({ lake, table }) => {
      const store = silentStore(lake.objects, isSchema)
      const silent = lake.open('silent', store.objects)
      // One that opens a replica of its own would wait for that first.
      const read = withParts(silent, { reached: table.reached.bind(table) })
      const archiver = lake.archiver(read, 'lake-silent', { stopMillis: 10 })
      await store.asked
      await archiver.stop()
      assert.deepEqual(archiver.failures, [])
      assert.equal(store.pending(), 0)
    })
  }
})

type Owner = (on: Scene, silent: Table, signal: AbortSignal) => Promise<unknown>

/** Works that end with a signal. Each may be begun again. */
const owners: Readonly<Record<string, Owner>> = {
  'archiving to the end': ({ lake }, silent, signal) =>
    archiveToEnd(silent, { directory: join(lake.folder, 'to-end'), historySeconds: 3600, signal }),
  verifying: ({ lake }, silent, signal) => verifyTable(silent, { directory: join(lake.folder, 'verify'), signal }),
  erasing: ({ lake }, silent, signal) =>
    eraseOnce({
      table: silent,
      dependents: nothingHangs,
      scratch: join(lake.folder, 'erase'),
      signal,
      settleMillis: 1,
    }),
  restoring: async ({ lake, table }, silent, signal) => {
    const version = (await readState(table.lake))?.version ?? 0
    return restore({ from: silent, into: silent, version, directory: join(lake.folder, 'restore'), signal })
  },
  'asking for a revision by its time': ({ lake }, silent, signal) =>
    revisionAtTime(silent, Date.now() * 1000, join(lake.folder, 'time'), signal),
  'loading a Table as it was': async ({ lake, revision }, silent, signal) => {
    const past = new PastDatabases({ directory: join(lake.folder, 'past'), limits, memory: unwatched })
    try {
      const lease = await past.lease('test', async () => [{ table: silent, revision }], signal)
      lease.release()
    } finally {
      await past.close()
    }
  },
}

/** Begins a work and stops it once a request is not answered; false when there was none. */
async function stopsSilenced(
  on: Scene,
  begin: Owner,
  silent: (key: string, number: number) => boolean,
): Promise<boolean> {
  const { lake, table } = on
  const store = silentStore(lake.objects, silent)
  // It reads from the replica of another: its own would wait too.
  const parts = lake.open(randomUUID(), store.objects)
  const read = withParts(table, { lake: parts.lake, schemas: parts.schemas })
  const stop = new AbortController()
  const work = begin(on, read, stop.signal)
  const ended = work.then(
    () => 'ended' as const,
    () => 'ended' as const,
  )
  if ((await Promise.race([store.asked, ended])) === 'ended') {
    await work
    return false
  }
  stop.abort(stopped)
  await assert.rejects(work, error => error === stopped)
  assert.equal(store.pending(), 0)
  return true
}

for (const [name, begin] of Object.entries(owners)) {
  test(`${name} stops wherever the store does not answer`, async () => {
    await scene(filmSchema, async on => {
      if (name === 'erasing') {
        const archiver = on.lake.archiver(on.table, 'lake')
        const { revision } = await on.table.writer.erase('e1', [{ id: 'a' }], {
          principal: 'p',
          schema: 2,
          signal: patience(),
        })
        await archiver.reached(revision)
        await archiver.stop()
      }
      // A time is looked for without reading a row.
      assert.equal(await stopsSilenced(on, begin, isSchema), name !== 'asking for a revision by its time')
      // From a request on, each time a few further, until the work is done before.
      let at = 1
      while (await stopsSilenced(on, begin, (_, number) => number >= at)) at += Math.ceil(at / 4)
      assert.ok(at > 3)
    })
  })
}
