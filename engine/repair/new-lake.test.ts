/** A lake that is lost and made anew: from the log, from a replica's rows, or with what is left. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { type TestLake, testLake } from '../lake/testing.ts'
import { purgeLog } from '../log/retention.ts'
import type { Table } from '../table.ts'
import { filmSchema, patience } from '../testing.ts'
import { makeLakeAnew } from './new-lake.ts'
import { closeAll, openEpoch, options, put, titles } from './testing.ts'
import { type ServedRows, verifyTable } from './verify.ts'

/** A Table with an archived part, which is purged when asked to be, and a part that is in the log alone; then its lake is gone. */
async function loseLake(lake: TestLake, purged: boolean): Promise<{ table: Table; archived: number; last: number }> {
  const table = openEpoch(lake, 1)
  const archiver = lake.archiver(table, 'lake-a')
  await table.writer.write([put(table, 'a', 'one'), put(table, 'b', 'two')], options())
  const { revision: archived } = await table.writer.write([put(table, 'a', 'uno')], options())
  await archiver.reached(archived)
  await archiver.stop()
  if (purged) await purgeLog(table.log, archived, { retentionSeconds: 0, now: Date.now() + 60_000 })
  const { revision: last } = await table.writer.write([put(table, 'c', 'three')], options())
  await table.reached(last, 'rows', patience())
  const keys: string[] = []
  for await (const { key } of lake.objects.list(lake.bucket, 'lake/')) keys.push(key)
  await lake.objects.remove(lake.bucket, keys.slice(1))
  return { table, archived, last }
}

const anew = (lake: TestLake, table: Table, served?: { revision: number; rows: ServedRows }) =>
  makeLakeAnew({
    table,
    reopen: epoch => openEpoch(lake, epoch),
    directory: lake.folder,
    historySeconds: 3600,
    signal: patience(),
    ...(served === undefined ? {} : { served }),
  })

const differences = async (lake: TestLake, table: Table) => {
  const directory = join(lake.folder, 'verify')
  return (await verifyTable(table, { directory, signal: patience() })).findings.parts.flatMap(({ first }) => first)
}

/** The rows of an open replica, as a facade would serve them. */
async function* rowsOf(table: Table): ServedRows {
  const snapshot = (await table.replica()).snapshot()
  try {
    for (const { row } of snapshot.rows()) yield [{ row: row.row(table.schemas.codec), revision: row.revision }]
  } finally {
    snapshot.close()
  }
}

const all = [
  ['a', 'uno'],
  ['b', 'two'],
  ['c', 'three'],
]

test('from a log that is whole everything is there again, and the archiver goes on', async () => {
  const lake = await testLake(filmSchema)
  try {
    const { table, last } = await loseLake(lake, false)
    assert.deepEqual(await anew(lake, table), { epoch: 1, archived: last, lostTo: 0 })
    assert.deepEqual(await differences(lake, table), [])
    const archiver = lake.archiver(table, 'lake-b', { archivedBefore: last })
    const next = await table.writer.write([put(table, 'd', 'four')], options())
    await archiver.reached(next.revision)
    await archiver.stop()
    assert.deepEqual(archiver.failures, [])
  } finally {
    await closeAll(lake)
  }
})

test('what was purged is taken from the rows of a replica, but for its history', async () => {
  const lake = await testLake(filmSchema)
  try {
    const { table, archived, last } = await loseLake(lake, true)
    const early = { revision: archived - 1, rows: rowsOf(table) }
    await assert.rejects(anew(lake, table, early), { code: 'INVALID_ARGUMENT' })
    const made = await anew(lake, table, { revision: last, rows: rowsOf(table) })
    assert.deepEqual(made, { epoch: 1, archived: last, lostTo: 0 })
    assert.deepEqual(await differences(lake, table), [])
    const fresh = openEpoch(lake, 1)
    assert.deepEqual(await titles(fresh, last), all)
    const { source } = await fresh.replica()
    const old = source.changes(archived - 1, patience())
    await assert.rejects(old.next(), { code: 'CURSOR_EXPIRED' })
  } finally {
    await closeAll(lake)
  }
})

test('without a replica what was purged is lost, which is said, and the log goes on in another epoch', async () => {
  const lake = await testLake(filmSchema)
  try {
    const { table, archived, last } = await loseLake(lake, true)
    const made = await anew(lake, table)
    assert.deepEqual([made.epoch, made.lostTo], [2, archived])
    assert.ok(made.archived >= last)
    const next = openEpoch(lake, 2)
    assert.deepEqual(await titles(next), [['c', 'three']])
    assert.deepEqual(await differences(lake, next), [])
    await assert.rejects(table.writer.write([put(table, 'd', 'late')], options()), { code: 'EPOCH_CHANGED' })
    const absent = (id: string) => ({ ...put(next, id, 'again'), condition: { kind: 'absent' } }) as const
    await next.writer.write([absent('a')], options())
    // What was written before is on subjects of the earlier epoch.
    await assert.rejects(next.writer.write([absent('c')], options()), { code: 'ROW_EXISTS' })
    const condition = { kind: 'revision', revision: last } as const
    const { revision } = await next.writer.write([{ ...put(next, 'c', 'drei'), condition }], options())
    assert.deepEqual(await titles(next, revision), [
      ['a', 'again'],
      ['c', 'drei'],
    ])
  } finally {
    await closeAll(lake)
  }
})
