/** What the log no longer holds is had from the lake: rows, columns, changes, and what conditional writers must know. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { watch } from '../feed/watch.ts'
import { purgeLog } from '../log/retention.ts'
import type { RowChange } from '../log/writer.ts'
import { openSqlDatabase } from '../replica/sql-database.ts'
import type { Table } from '../table.ts'
import { eventSchema, filmSchema, patience } from '../testing.ts'
import { rowsOf } from '../testing-table.ts'
import { type TestLake, testLake } from './testing.ts'

const options = () => ({ principal: 'p', schema: 1, signal: patience() })
const put = (table: Table, id: string, title: string): RowChange => ({
  op: 'put',
  row: table.schemas.codec.row({ id, title }, 'row'),
})

/** Purges everything that is archived. */
async function purge(lake: TestLake, archived: number): Promise<void> {
  const upTo = await purgeLog(lake.on.log, archived, { retentionSeconds: 0, now: Date.now() + 60_000 })
  assert.equal(upTo, archived)
}

async function titles(table: Table, revision = 0): Promise<unknown[]> {
  const replica = await table.reached(revision, 'rows', patience())
  const snapshot = replica.snapshot()
  try {
    return [...snapshot.rows()].map(({ row }) => {
      const { id, title } = row.row(table.schemas.codec)
      return [id, title]
    })
  } finally {
    snapshot.close()
  }
}

test('a replica with nothing in its cache shows rows that the log no longer holds, and those that came since', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    await table.writer.write([put(table, 'a', 'one'), put(table, 'b', 'two')], options())
    const { revision } = await table.writer.write([put(table, 'a', 'uno')], options())
    await archiver.reached(revision)
    await archiver.stop()
    await purge(lake, revision)
    await table.writer.write([put(table, 'c', 'three'), { op: 'delete', row: { id: 'b' } }], options())

    const fresh = lake.open('fresh')
    assert.deepEqual(await titles(fresh), [
      ['a', 'uno'],
      ['c', 'three'],
    ])
    const sql = await openSqlDatabase(join(lake.folder, 'fresh.duckdb'), { memory: '256MB', threads: 1 })
    const other = lake.open('other', lake.objects, async () => sql)
    await other.reached(0, 'columns', patience())
    assert.deepEqual(await rowsOf(sql, 'SELECT id, title FROM films ORDER BY id'), [
      { id: 'a', title: 'uno' },
      { id: 'c', title: 'three' },
    ])
    await other.close()
    await sql.close()
  } finally {
    await lake.close()
  }
})

test('conditions on rows that the log no longer holds are kept', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    const { revision } = await table.writer.write([put(table, 'a', 'one'), put(table, 'b', 'two')], options())
    await archiver.reached(revision)
    await archiver.stop()
    await purge(lake, revision)
    const writer = lake.open('fresh').writer
    const only = (change: RowChange, condition: RowChange['condition'] & object) => [{ ...change, condition }]
    await assert.rejects(writer.write(only(put(table, 'a', 'x'), { kind: 'absent' }), options()), error =>
      isBlastyError(error, 'ROW_EXISTS'),
    )
    await assert.rejects(
      writer.write(only(put(table, 'b', 'x'), { kind: 'revision', revision: 1 }), options()),
      error => isBlastyError(error, 'REVISION_CONFLICT'),
    )
    await writer.write(only(put(table, 'b', 'zwei'), { kind: 'revision', revision: 2 }), options())
    const last = await writer.write(only(put(table, 'c', 'drei'), { kind: 'absent' }), options())
    assert.deepEqual(await titles(table, last.revision), [
      ['a', 'one'],
      ['b', 'zwei'],
      ['c', 'drei'],
    ])
  } finally {
    await lake.close()
  }
})

test('a watch whose cursor the log no longer holds is told every change since, with the rows as they were', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    const first = await table.writer.write([put(table, 'a', 'one'), put(table, 'b', 'two')], options())
    await archiver.reached(first.revision)
    await table.writer.write([put(table, 'a', 'uno'), { op: 'delete', row: { id: 'b' } }], options())
    const third = await table.writer.write([put(table, 'c', 'three')], options())
    await archiver.reached(third.revision)
    await archiver.stop()
    await purge(lake, third.revision)
    const last = await table.writer.write([put(table, 'c', 'tre')], options())

    const fresh = lake.open('fresh')
    const told: unknown[] = []
    const start = { from: 'revision', revision: first.revision } as const
    for await (const message of watch(fresh, {
      start,
      test: () => true,
      signal: patience(),
      heartbeatMillis: 60_000,
    })) {
      if (message.kind !== 'events') continue
      for (const { kind, old, new: next } of message.events)
        told.push([kind, old?.row(fresh.schemas.codec).title, next?.row(fresh.schemas.codec).title])
      if (message.revision === last.revision) break
    }
    assert.deepEqual(told, [
      ['UPDATE', 'one', 'uno'],
      ['LEAVE', 'two', undefined],
      ['ENTER', undefined, 'three'],
      ['UPDATE', 'three', 'tre'],
    ])
  } finally {
    await lake.close()
  }
})

test('appended rows that the log no longer holds are read by SQL and told by a watch, batch by batch', async () => {
  const lake = await testLake(eventSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    const rows = (...numbers: number[]) => numbers.map(n => table.schemas.codec.row({ n }, 'row'))
    await table.writer.append(rows(1, 2), options())
    const { revision } = await table.writer.append(rows(3), options())
    await archiver.reached(revision)
    await archiver.stop()
    await purge(lake, revision)
    const last = await table.writer.append(rows(4, 5), options())
    const sql = await openSqlDatabase(join(lake.folder, 'fresh.duckdb'), { memory: '256MB', threads: 1 })
    const fresh = lake.open('fresh', lake.objects, async () => sql)
    await fresh.reached(last.revision, 'columns', patience())
    assert.deepEqual(await rowsOf(sql, 'SELECT list(n ORDER BY n)::VARCHAR AS n FROM films'), [
      { n: '[1, 2, 3, 4, 5]' },
    ])
    const told: unknown[] = []
    const start = { from: 'revision', revision: 0 } as const
    for await (const message of watch(fresh, {
      start,
      test: () => true,
      signal: patience(),
      heartbeatMillis: 60_000,
    })) {
      if (message.kind !== 'events') continue
      told.push(message.events.map(({ new: next }) => next?.row(fresh.schemas.codec).n))
      if (message.revision === last.revision) break
    }
    assert.deepEqual(told, [['1', '2'], ['3'], ['4', '5']])
    await fresh.close()
    await sql.close()
  } finally {
    await lake.close()
  }
})
