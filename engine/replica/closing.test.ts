/** Replicas that close under their readers, and replicas opened again. */

import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { watch } from '../feed/watch.ts'
import { filmSchema, patience } from '../testing.ts'
import { rowsOf, sqlName, testTable } from '../testing-table.ts'

const options = () => ({ principal: 'p', schema: 1, signal: patience() })
const put = (id: string, year = 0) => ({ op: 'put' as const, row: { id, year } })
const notReady = (error: unknown) => isBlastyError(error, 'TABLE_NOT_READY')

test('a watch of a Table that is no longer served ends with TABLE_NOT_READY, it does not fall silent', async () => {
  const on = await testTable(filmSchema)
  const { table } = await on.open('a')
  await table.writer.write([put('a')], options())
  const seen: string[] = []
  const watching = (async () => {
    for await (const { kind } of watch(table, {
      start: { from: 'snapshot' },
      test: () => true,
      signal: patience(),
      heartbeatMillis: 60_000,
    })) {
      seen.push(kind)
      if (kind === 'ready') void table.close()
    }
  })()
  await assert.rejects(watching, notReady)
  assert.deepEqual(seen, ['rows', 'ready'])
  await on.close()
})

test('whoever turns pages of a snapshot, asks for a row or waits when the replica closes is told so', async () => {
  const on = await testTable(filmSchema)
  const { table } = await on.open('a', { sql: true })
  await table.writer.write(
    Array.from({ length: 900 }, (_, i) => put(`k${i}`)),
    options(),
  )
  const replica = await table.reached(900, 'columns', patience())
  const [first, second] = [replica.snapshot(), replica.snapshot()]
  const pages = first.rows()[Symbol.iterator]()
  for (let i = 0; i < 100; i++) pages.next()
  const waiting = [replica.reached(10_000, patience()), replica.columnsReached(10_000, patience())]
  const told = Promise.all(waiting.map(one => assert.rejects(one, notReady)))
  await table.close()
  await told
  assert.throws(() => pages.next(), notReady)
  assert.throws(() => [...second.rows()], notReady)
  assert.equal(second.open, false)
  first.close()
  second.close()
  assert.throws(() => replica.get(Buffer.from('a')), notReady)
  assert.throws(() => replica.snapshot(), notReady)
  await assert.rejects(async () => replica.columnsReached(10_000, patience()), notReady)
  await assert.rejects(replica.source.changes(0, patience()).next(), notReady)
  // For good: its files may be another's by now.
  await assert.rejects(table.replica(), notReady)
  await on.close()
})

test('closing at once, while the log is being opened, does not wait for a record to come', async () => {
  const on = await testTable(filmSchema)
  for (let i = 0; i < 10; i++) {
    const process = await on.open('a')
    await process.table.replica()
    await process.close()
  }
  await on.close()
})

test('SQL and resumed readers reach the end of a log that ends with changes of no row', async () => {
  const on = await testTable(filmSchema)
  const first = await on.open('a', { sql: true })
  await first.table.writer.write([put('a', 1), put('b', 2)], options())
  await first.table.reached(2, 'columns', patience())
  await first.table.writer.write([put('c', 3)], options())
  const { revision } = await first.table.writer.write([{ op: 'delete', row: { id: 'nobody' } }], options())
  await first.table.reached(revision, 'rows', patience())
  await first.close()
  // The columns are behind the rows, as after a stop between the two.
  await Promise.all(['', '.wal'].map(end => rm(join(on.folder, `a.duckdb${end}`), { force: true })))
  const again = await on.open('a', { sql: true })
  const replica = await again.table.reached(revision, 'columns', patience())
  assert.equal(replica.columnsRevision, revision)
  assert.deepEqual(await rowsOf(again.sql, `SELECT count(*)::INTEGER AS n FROM ${sqlName}`), [{ n: 3 }])
  const seen: number[] = []
  for await (const batch of replica.source.changes(0, patience(), revision)) seen.push(batch.revision)
  assert.equal(seen.at(-1), revision)
  await on.close()
})

test('two opened and closed over and over while rows are written show each row once', async () => {
  const on = await testTable(filmSchema)
  const writer = await on.open('writer')
  let last = 0
  for (let round = 0; round < 6; round++) {
    const opened = on.open('reader', { sql: true, schema: filmSchema })
    const changes = Array.from({ length: 50 }, (_, i) => put(`k${(round * 31 + i) % 97}`, round))
    const [{ revision }, process] = await Promise.all([writer.table.writer.write(changes, options()), opened])
    last = revision
    await process.table.replica()
    if (round < 5) await process.close()
    else {
      await process.table.reached(last, 'columns', patience())
      const replica = await process.table.replica()
      const [shown] = await rowsOf(
        process.sql,
        `SELECT count(*)::INTEGER AS n, count(DISTINCT id)::INTEGER AS d FROM ${sqlName}`,
      )
      assert.deepEqual(shown, { n: replica.count, d: replica.count })
    }
  }
  await on.close()
})
