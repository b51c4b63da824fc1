/** Rows of keyed Tables that are too old go by ordinary deletes; those that were written since stay, whatever happens meanwhile. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { watch } from '../feed/watch.ts'
import { type TestLake, testLake } from '../lake/testing.ts'
import { retentionPrincipal } from '../log/control.ts'
import { follow } from '../log/follower.ts'
import { purgeLog } from '../log/retention.ts'
import type { RowChange } from '../log/writer.ts'
import { StoredRow } from '../replica/change.ts'
import type { RowSnapshot } from '../replica/row-store.ts'
import { openSqlDatabase } from '../replica/sql-database.ts'
import type { Table } from '../table.ts'
import { filmSchema, patience } from '../testing.ts'
import { rowsOf } from '../testing-table.ts'
import { Expiry } from './expire.ts'
import { lookAtRows, removeRows } from './keyed.ts'
import { agreedNow } from './server.ts'
import { commitTimeOf, expireAt, retentionSeconds, startExpiring, whenDue } from './testing.ts'

const options = () => ({ principal: 'p', schema: 1, signal: patience() })
const put = (id: string, title = id): RowChange => ({ op: 'put', row: { id, title } })
const longKey = 'Ä💡'.repeat(60)

/** Writes rows, each batch later than the one before by the clock of the log; returns when the last was committed, in microseconds. */
async function write(table: Table, ...batches: RowChange[][]): Promise<number> {
  let time = 0
  for (const batch of batches) {
    const { revision } = await table.writer.write(batch, options())
    time = await commitTimeOf(table, revision)
  }
  return time
}

async function idsIn(table: Table): Promise<string[]> {
  const { last_seq: last } = (await table.log.streams.admin.streams.info(table.log.stream)).state
  const replica = await table.reached(last, 'rows', patience())
  const snapshot = replica.snapshot()
  const ids = [...snapshot.rows()].map(({ row }) => String(row.row(table.schemas.codec).id))
  snapshot.close()
  return ids
}

/** What the log says: operation, key and who. */
async function told(table: Table): Promise<string[]> {
  const { last_seq: last } = (await table.log.streams.admin.streams.info(table.log.stream)).state
  const records: string[] = []
  for await (const batch of follow(table.log, { after: 0, signal: patience() })) {
    for (const { operation, body, principal } of batch.records) {
      const { id } = JSON.parse(Buffer.from(body).toString()) as { id?: string }
      records.push(`${operation} ${id ?? ''} ${principal}`)
    }
    if (batch.revision >= last) return records
  }
  return records
}

async function scene(run: (lake: TestLake, table: Table) => Promise<void>): Promise<void> {
  const lake = await testLake(filmSchema)
  try {
    await run(lake, lake.open('a'))
  } finally {
    await lake.close()
  }
}

test('a row that is too old is gone by key, in SQL, for watchers and in the lake, and one written again is not', () =>
  scene(async (lake, table) => {
    const sql = await openSqlDatabase(`${lake.folder}/columns.duckdb`, { memory: '256MB', threads: 1 })
    const facade = lake.open('facade', lake.objects, async () => sql)
    const archiver = lake.archiver(table, 'lake')
    const old = await write(table, [put('again'), put('old'), put(longKey)])
    await write(table, [put('again', 'later'), put('new')])
    const before = (await facade.reached(0, 'columns', patience())).revision
    const stop = new AbortController()
    const start = { from: 'revision', revision: before } as const
    const { oldest, removed } = await expireAt(table, lake.folder, whenDue(old))
    assert.equal(removed, 2)
    assert.ok(oldest !== undefined && oldest > old)
    assert.deepEqual(await idsIn(table), ['again', 'new'])
    const { last_seq: last } = (await table.log.streams.admin.streams.info(table.log.stream)).state
    await facade.reached(last, 'columns', patience())
    const rows = await rowsOf(sql, 'SELECT id, title FROM films ORDER BY id')
    assert.deepEqual(rows, [
      { id: 'again', title: 'later' },
      { id: 'new', title: 'new' },
    ])
    const events: string[] = []
    const signal = AbortSignal.any([stop.signal, patience()])
    for await (const message of watch(facade, { start, test: () => true, signal, heartbeatMillis: 10 })) {
      if (message.kind === 'events')
        events.push(...message.events.map(({ kind, old }) => `${kind} ${old?.row(facade.schemas.codec).id}`))
      if (message.kind !== 'rows' && (message.revision ?? 0) >= last) stop.abort()
    }
    assert.deepEqual(events.sort(), ['LEAVE old', `LEAVE ${longKey}`].sort())
    await archiver.reached(last)
    assert.deepEqual(
      (await lake.rows(table)).rows.map(({ id }) => id),
      ['again', 'new'],
    )
    assert.deepEqual((await told(table)).filter(text => text.startsWith('delete')).sort(), [
      `delete old ${retentionPrincipal}`,
      `delete ${longKey} ${retentionPrincipal}`,
    ])
    await facade.close()
    await sql.close()
  }))

test('rows that only the lake holds any more are removed like others, many batches of them', () =>
  scene(async (lake, table) => {
    const archiver = lake.archiver(table, 'lake')
    const many = (from: number) => Array.from({ length: 400 }, (_, at) => put(`k${from + at}`))
    const old = await write(table, many(0), many(400), many(800))
    await archiver.reached(1200)
    await write(table, [put('k7', 'later')])
    await purgeLog(table.log, 1200, { retentionSeconds: 0, now: Date.now() + 60_000 })
    assert.equal((await expireAt(table, lake.folder, whenDue(old))).removed, 1199)
    assert.deepEqual(await idsIn(table), ['k7'])
  }))

test('a row that is written again while it is being removed stays, and the others of its batch go', () =>
  scene(async (_, table) => {
    const old = await write(
      table,
      ['a', 'b', 'c', 'd', 'e'].map(id => put(id)),
    )
    const replica = await table.reached(5, 'rows', patience())
    const { due } = await lookAtRows(replica, old, patience())
    assert.ok(due)
    let removed = 0
    let raced = false
    await removeRows(table, replica, due, {
      signal: patience(),
      // Behind the look and before the delete.
      room: async () => {
        if (!raced) await write(table, [put('b', 'again'), { op: 'delete', row: { id: 'd' } }])
        raced = true
      },
      onRemoved: rows => {
        removed += rows
      },
    })
    assert.equal(removed, 3)
    assert.deepEqual(await idsIn(table), ['b'])
  }))

test('a row that is written again while it is being removed stays, also where the log holds neither', () =>
  scene(async (lake, table) => {
    const archiver = lake.archiver(table, 'lake')
    const purge = async (last: number) => {
      await archiver.reached(last)
      await purgeLog(table.log, last, { retentionSeconds: 0, now: Date.now() + 60_000 })
    }
    const old = await write(
      table,
      ['a', 'b', 'c'].map(id => put(id)),
    )
    await purge(3)
    const replica = await table.reached(3, 'rows', patience())
    const { due } = await lookAtRows(replica, old, patience())
    assert.ok(due)
    let raced = false
    await removeRows(table, replica, due, {
      signal: patience(),
      room: async () => {
        if (raced) return
        raced = true
        const { revision } = await table.writer.write([put('b', 'again')], options())
        await purge(revision)
      },
      onRemoved: () => {},
    })
    assert.deepEqual(await idsIn(table), ['b'])
  }))

test('two that remove the same rows do no harm, and one that was stopped is followed by one that does the rest', () =>
  scene(async (lake, table) => {
    const rows = Array.from({ length: 1_100 }, (_, at) => put(`k${at}`))
    const old = await write(table, rows.slice(0, 550), rows.slice(550))
    await write(table, [put('new')])
    const now = async () => whenDue(old)
    const stopped = startExpiring(table, lake.folder, { now })
    await stopped.looked(1)
    await stopped.stop()
    assert.deepEqual(stopped.failures, [])
    const both = [lake.open('b'), lake.open('c')].map((other, at) =>
      expireAt(other, `${lake.folder}/${at}`, whenDue(old)),
    )
    await Promise.all(both)
    assert.deepEqual(await idsIn(table), ['new'])
    const deletes = (await told(table)).filter(text => text.startsWith('delete'))
    assert.equal(deletes.length, 1_100)
    assert.equal(new Set(deletes).size, 1_100)
  }))

test('a log with little room is left to those who write, until there is more', () =>
  scene(async (lake, table) => {
    const old = await write(table, [put('old')])
    const now = async () => whenDue(old)
    const waiting = startExpiring(table, lake.folder, { now, fullShare: 0 })
    for (const late = patience(); waiting.failures.length === 0; ) {
      late.throwIfAborted()
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    await waiting.stop()
    assert.ok(isBlastyError(waiting.failures[0], 'LOG_FULL'))
    assert.deepEqual(await idsIn(table), ['old'])
    assert.equal((await expireAt(table, lake.folder, whenDue(old))).removed, 1)
  }))

test('nothing is removed by a clock that is ahead, be it that of the process or that of the server', () =>
  scene(async (_, table) => {
    await write(table, [put('a')])
    const ahead = 10 * 365 * 86_400_000
    const real = await agreedNow(table.log, () => Date.now() + ahead)
    assert.ok(real < Date.now() + ahead / 2)
    const info = async () => ({ ts: new Date(Date.now() + ahead).toISOString(), state: { bytes: 0 }, config: {} })
    const streams = { ...table.log.streams, admin: { streams: { info } } } as unknown as typeof table.log.streams
    const now = Date.now()
    assert.equal(await agreedNow({ ...table.log, streams }, () => now), now)
  }))

test('a row of a time when the clock of the log was behind goes with those that were written before it', async () => {
  const rows = [
    [1, 1_000],
    [2, 5_000],
    [3, 10],
    [4, 6_000],
  ].map(([revision = 0, time = 0]) => ({ key: Buffer.alloc(0), row: new StoredRow(revision, time, Buffer.alloc(0)) }))
  const snapshot: RowSnapshot = { revision: 4, open: true, rows: () => rows, close: () => {} }
  const look = (cutoff: number) => lookAtRows({ snapshot: () => snapshot }, cutoff, patience())
  assert.deepEqual(await look(999), { due: undefined, oldest: 1_000 })
  assert.deepEqual(await look(1_000), { due: { before: 2, cutoff: 1_000 }, oldest: 5_000 })
  assert.deepEqual(await look(5_000), { due: { before: 4, cutoff: 5_000 }, oldest: 6_000 })
  assert.equal((await look(6_000)).due?.before, Number.POSITIVE_INFINITY)
})

test('a Table of which no row is due is not gone through again before one can be', () =>
  scene(async (lake, table) => {
    const first = await write(table, [put('a')])
    let time = whenDue(first) - 1_000
    const removed: number[] = []
    const work = new Expiry({
      table,
      retentionSeconds,
      scratch: lake.folder,
      signal: patience(),
      now: async () => time,
      onProgress: progress => removed.push(progress.removed),
      onFailure: assert.ifError,
    })
    await work.look()
    await work.look()
    assert.deepEqual(removed, [0])
    time += 1_001
    await work.look()
    assert.equal(removed.at(-1), 1)
  }))
