/** What the file of an instance holds after an end, a crash, and a checkpoint that could not be made. */

import assert from 'node:assert/strict'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Schemas } from '../schema/schemas.ts'
import { filmSchema, patience, temporaryFolder } from '../testing.ts'
import { rowsOf } from '../testing-table.ts'
import { type ChangeBatch, StoredRow } from './change.ts'
import { ColumnTable } from './column-table.ts'
import { openSqlDatabase, type SqlDatabase } from './sql-database.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
before(async () => {
  folder = await temporaryFolder()
})
after(() => folder.remove())

const limits = { memory: '256MB', threads: 1, restMillis: 600_000 }
const enough = 64 * 1024 * 1024
const pathOf = (name: string) => join(folder.path, `${name}.duckdb`)
const open = (name: string) => openSqlDatabase(pathOf(name), limits)
/** Opens what a process that was killed now would leave. */
const openAfterCrash = async (name: string) => {
  await copyFile(pathOf(name), pathOf(`${name}-crashed`))
  return open(`${name}-crashed`)
}
const schemas = () => new Schemas('test/films', filmSchema, async () => filmSchema)
const tableIn = async (sql: SqlDatabase) =>
  ColumnTable.open(await sql.connect(), { name: 'films', uid: 'u', epoch: 1 }, schemas())
const shown = (sql: SqlDatabase) => rowsOf(sql, 'SELECT id, year, _revision FROM films ORDER BY _revision')

/** Row `k` changed by every batch, and a row of the batch's own. */
const batches: readonly ChangeBatch[] = Array.from({ length: 4 }, (_, index) => {
  const row = (revision: number, id: string) =>
    new StoredRow(revision, revision, Buffer.from(JSON.stringify({ id, year: revision })))
  const revision = 2 * (index + 1)
  const old = index === 0 ? undefined : row(revision - 3, 'k')
  const changes = [
    { key: Buffer.from('k'), old, new: row(revision - 1, 'k') },
    { key: Buffer.from(`k${index}`), old: undefined, new: row(revision, `k${index}`) },
  ]
  return { revision, commitTime: revision, schema: 1, changes, bytes: 100 }
})
const expected = [2, 4, 6, 7, 8].map(_revision => ({
  id: _revision === 7 ? 'k' : `k${_revision / 2 - 1}`,
  year: _revision,
  _revision: String(_revision),
}))

async function merge(table: ColumnTable, from: number, to: number): Promise<void> {
  for (const batch of batches.slice(from, to)) table.stage(batch)
  await table.tick()
}

test('after a crash the columns go on from the last checkpoint, and each row is there once', async () => {
  const sql = await open('crash')
  const table = await tableIn(sql)
  await merge(table, 0, 2)
  await sql.merged(enough)
  await merge(table, 2, 4)
  await sql.merged(enough - 1)

  const next = await openAfterCrash('crash')
  const again = await tableIn(next)
  assert.equal(again.revision, 4)
  await merge(again, 2, 4)
  assert.deepEqual(await shown(next), expected)
  for (const one of [table, again]) one.close()
  for (const one of [sql, next]) await one.close()
})

test('what is not saved is when nothing is merged for a while', async () => {
  const sql = await openSqlDatabase(pathOf('rest'), { ...limits, restMillis: 50 })
  const table = await tableIn(sql)
  await merge(table, 0, 4)
  await sql.merged(1024 * 1024)
  for (const signal = patience(); ; signal.throwIfAborted()) {
    const next = await openAfterCrash('rest')
    const again = await tableIn(next)
    const { revision } = again
    again.close()
    await next.close()
    if (revision === 8) break
  }
  table.close()
  await sql.close()
})

test('while a query reads what has since been deleted no checkpoint is made, and the next merge makes it', async () => {
  const sql = await open('busy')
  const table = await tableIn(sql)
  await merge(table, 0, 2)
  const other = await sql.connect()
  await other.run('BEGIN TRANSACTION READ ONLY; SELECT count(*) FROM films')
  await merge(table, 2, 4)
  await sql.merged(enough)
  const before = await openAfterCrash('busy')
  const unsaved = await tableIn(before)
  assert.equal(unsaved.revision, 0)
  unsaved.close()
  await before.close()

  await other.run('COMMIT')
  await sql.merged(1)
  const next = await openAfterCrash('busy')
  const saved = await tableIn(next)
  assert.equal(saved.revision, 8)
  assert.deepEqual(await shown(next), expected)
  saved.close()
  await next.close()
  other.closeSync()
  table.close()
  await sql.close()
})

test('an instance that was closed shows everything when it is opened again', async () => {
  const sql = await open('closed')
  const table = await tableIn(sql)
  await merge(table, 0, 4)
  table.close()
  await sql.close()
  const next = await open('closed')
  const again = await tableIn(next)
  assert.equal(again.revision, 8)
  assert.deepEqual(await shown(next), expected)
  again.close()
  await next.close()
})

test('the connection that is opened ahead is at what the file is when it is used', async () => {
  const sql = await open('ahead')
  const table = await tableIn(sql)
  const years = async () => {
    const { connection, revisions } = await sql.read()
    try {
      const rows = (await connection.runAndReadAll('SELECT count(*) FROM films')).getRows()
      return [Number(rows[0]?.[0]), revisions.get('films')]
    } finally {
      connection.closeSync()
    }
  }
  await merge(table, 0, 1)
  assert.deepEqual(await years(), [2, 2])
  await merge(table, 1, 3)
  assert.deepEqual(await years(), [4, 6])
  // Two at a time: there is one ahead and one more.
  assert.deepEqual(await Promise.all([years(), years()]), [
    [4, 6],
    [4, 6],
  ])
  table.close()
  await sql.renew()
  const again = await tableIn(sql)
  await merge(again, 0, 4)
  assert.deepEqual(await years(), [5, 8])
  again.close()
  // Closed behind the database, it leaves none behind.
  const { connection } = await sql.read()
  await sql.close()
  connection.closeSync()
  await assert.rejects(years(), /closed/)
})

test('a file that is no database is made anew', async () => {
  await writeFile(pathOf('broken'), 'x'.repeat(100_000))
  const sql = await open('broken')
  const table = await tableIn(sql)
  await merge(table, 0, 4)
  assert.deepEqual(await shown(sql), expected)
  table.close()
  await sql.close()
})
