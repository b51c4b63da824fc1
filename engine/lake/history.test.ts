/** The seams between log, ring and lake: what a reader is told when the parts that it needs have moved, or are gone. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { watch } from '../feed/watch.ts'
import { announceSchema, writeTick } from '../log/control.ts'
import { purgeLog } from '../log/retention.ts'
import type { RowChange } from '../log/writer.ts'
import { openSqlDatabase } from '../replica/sql-database.ts'
import { writeSchema } from '../schema/documents.ts'
import type { Row, TableSchema } from '../schema/schema.ts'
import type { Table } from '../table.ts'
import { eventSchema, filmSchema, patience } from '../testing.ts'
import { rowsOf } from '../testing-table.ts'
import type { ArchiveProgress } from './archiver.ts'
import { writeCheckpoint } from './delta/checkpoint.ts'
import { cleanLog } from './delta/clean-up.ts'
import { commitKey } from './delta/lake.ts'
import { type LakeState, readState } from './delta/state.ts'
import { demandArchive } from './demand.ts'
import { archivedRevision } from './files.ts'
import { archivedChanges } from './history.ts'
import { type TestArchiver, type TestLake, testLake } from './testing.ts'

const options = (schema = 1) => ({ principal: 'p', schema, signal: patience() })
const put = (id: string, more: Row): RowChange => ({ op: 'put', row: { id, ...more } })

async function purge(lake: TestLake, archived: number): Promise<void> {
  assert.equal(await purgeLog(lake.on.log, archived, { retentionSeconds: 0, now: Date.now() + 60_000 }), archived)
}

async function stateOf(table: Table): Promise<LakeState> {
  const state = await readState(table.lake)
  assert.ok(state)
  return state
}

/** Revisions of the batches that the lake tells behind a cursor. */
async function told(lake: TestLake, table: Table, after: number): Promise<number[]> {
  const found: number[] = []
  for await (const { revision, changes } of archivedChanges(table, after, join(lake.folder, 'scratch')))
    if (changes.length > 0) found.push(revision)
  return found
}

/** What a watch tells behind a cursor until a revision: the new rows, batch by batch. */
async function watched(table: Table, after: number, until: number): Promise<Row[][]> {
  const found: Row[][] = []
  const start = { from: 'revision', revision: after } as const
  for await (const message of watch(table, { start, test: () => true, signal: patience(), heartbeatMillis: 60_000 })) {
    if (message.kind !== 'events') continue
    found.push(message.events.flatMap(({ new: next }) => (next === undefined ? [] : [next.row(table.schemas.codec)])))
    if ((message.revision ?? 0) >= until) break
  }
  return found
}

/** Asks for a revision until it is there: an asking may be lost while the archiver starts. */
async function demanded(table: Table, archiver: TestArchiver, revision: number): Promise<ArchiveProgress> {
  const asking = setInterval(() => demandArchive(table, revision), 20)
  try {
    return await archiver.reached(revision)
  } finally {
    clearInterval(asking)
  }
}

test('a cursor whose next change is cleaned up is expired, however much comes behind it', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a', { cleanMillis: 3_600_000 })
    const ends: number[] = []
    for (let round = 0; round < 6; round++) {
      const { revision } = await table.writer.write([put('a', { year: round }), put('b', { year: round })], options())
      ends.push(revision)
      await archiver.reached(revision)
    }
    await archiver.stop()
    const state = await stateOf(table)
    // The log of the lake begins with the fourth of the six from now on.
    const kept = await readState(table.lake, state.version - 2)
    assert.ok(kept)
    const reached = archivedRevision(kept, table)
    await writeCheckpoint(table.lake, kept, lake.folder)
    assert.equal(await cleanLog(table.lake, state, { olderThan: Date.now() + 3_600_000 }), kept.version)
    assert.deepEqual(
      await told(lake, table, reached),
      ends.filter(end => end > reached),
    )
    for (const cursor of [0, ...ends.filter(end => end < reached)])
      await assert.rejects(told(lake, table, cursor), error => isBlastyError(error, 'CURSOR_EXPIRED'), `at ${cursor}`)
  } finally {
    await lake.close()
  }
})

test('changes that the ring has dropped and the lake has lost are an expired cursor, never silence', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    const { revision: first } = await table.writer.write([put('a', { year: 1 })], options())
    const { revision } = await table.writer.write([put('a', { year: 2 })], options())
    await archiver.reached(revision)
    await archiver.stop()
    await purge(lake, revision)
    const fresh = lake.open('fresh')
    await fresh.reached(revision, 'rows', patience())
    const { version } = await stateOf(table)
    await lake.objects.remove(
      lake.bucket,
      Array.from({ length: version + 1 }, (_, at) => commitKey(table.lake, at)),
    )
    const last = await table.writer.write([put('a', { year: 3 })], options())
    await assert.rejects(watched(fresh, first, last.revision), error => isBlastyError(error, 'CURSOR_EXPIRED'))
  } finally {
    await lake.close()
  }
})

const widened = (schema: TableSchema): TableSchema => ({
  ...schema,
  number: 2,
  columns: [...schema.columns, { name: 'more', type: 'Int64', required: false, field: 90 }],
})

async function widen(lake: TestLake, schema: TableSchema): Promise<void> {
  await writeSchema(lake.objects, lake.bucket, widened(schema))
  await announceSchema(lake.on.log, 2)
}

test('who has not heard of a column yet has its values from the lake, by key, by SQL and in changes', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    const { revision: first } = await table.writer.write([put('a', { year: 1 })], options())
    await widen(lake, filmSchema)
    const { revision } = await table.writer.write([put('a', { more: '9007199254740993' })], options(2))
    await archiver.reached(revision)
    await archiver.stop()
    await purge(lake, revision)
    const sql = await openSqlDatabase(join(lake.folder, 'fresh.duckdb'), { memory: '256MB', threads: 1 })
    const fresh = lake.open('fresh', lake.objects, async () => sql)
    const replica = await fresh.reached(revision, 'columns', patience())
    assert.equal(replica.get(fresh.schemas.encodeKey({ id: 'a' }))?.row(fresh.schemas.codec).more, '9007199254740993')
    assert.deepEqual(await rowsOf(sql, 'SELECT more FROM films'), [{ more: '9007199254740993' }])
    const changes = await watched(fresh, first, revision)
    assert.deepEqual(
      changes.flat().map(({ more }) => more),
      ['9007199254740993'],
    )
    await fresh.close()
    await sql.close()
  } finally {
    await lake.close()
  }
})

test('an archiver that has not heard of a column keeps its values when it puts files together', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    await widen(lake, filmSchema)
    const rows = ['a', 'b', 'c'].map(id => put(id, { more: '7' }))
    await archiver.reached((await table.writer.write(rows, options(2))).revision)
    await archiver.stop()
    const other = lake.open('b')
    const successor = lake.archiver(other, 'lake-b')
    // A writer that has not heard of it either; two of three rows end, so that their file is written anew.
    const { revision } = await other.writer.write([put('b', {}), put('c', {})], options(1))
    const { version } = await successor.reached(revision)
    const compacted = patience()
    while ((await stateOf(table)).version === version) compacted.throwIfAborted()
    await table.schemas.reach(2)
    const found = (await lake.rows(table)).rows.map(({ id, more }) => [id, more])
    assert.deepEqual(found, [
      ['a', '7'],
      ['b', null],
      ['c', null],
    ])
    assert.match((await stateOf(table)).metadata.schemaString, /"more"/)
  } finally {
    await lake.close()
  }
})

test('a writer that waits for the lake is answered, also when what it deleted was not there', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a', { commitWindowMillis: 3_600_000 })
    const { revision } = await table.writer.write([{ op: 'delete', row: { id: 'nobody' } }], options())
    await table.reached(revision, 'rows', patience())
    assert.equal((await demanded(table, archiver, revision)).rows, 0)
    assert.deepEqual(archiver.failures, [])
  } finally {
    await lake.close()
  }
})

test('appended rows are told behind control records that the log no longer holds', async () => {
  const lake = await testLake(eventSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a', { commitWindowMillis: 3_600_000 })
    const { revision: first } = await table.writer.append([{ n: '1' }], options())
    const tick = await writeTick(lake.on.log)
    await demanded(table, archiver, tick)
    await archiver.stop()
    await purge(lake, tick)
    const { revision } = await table.writer.append([{ n: '2' }], options())
    const fresh = lake.open('fresh')
    for (const after of [0, first])
      assert.deepEqual(
        (await watched(fresh, after, revision)).flat().map(({ n }) => n),
        after === 0 ? ['1', '2'] : ['2'],
      )
  } finally {
    await lake.close()
  }
})

test('a slow reader of appended rows that a purge overtakes reads on from the lake', async () => {
  const lake = await testLake(eventSchema)
  try {
    const table = lake.open('a')
    // More than a reader has under way at a time.
    const text = 'x'.repeat(900_000)
    let last = 0
    for (let n = 0; n < 25; n++) last = (await table.writer.append([{ n: String(n), text }], options())).revision
    await widen(lake, eventSchema)
    last++
    const fresh = lake.open('fresh')
    const replica = await fresh.reached(last, 'rows', patience())
    const reader = replica.source.changes(0, patience(), last)
    const numbers: unknown[] = []
    const take = async () => {
      const { done, value } = await reader.next()
      for (const { new: next } of done ? [] : value.changes) numbers.push(next?.row(fresh.schemas.codec).n)
      return !done
    }
    await take()
    const archiver = lake.archiver(table, 'lake-a')
    await demanded(table, archiver, last)
    await archiver.stop()
    await purge(lake, last)
    while (await take());
    assert.deepEqual(
      numbers,
      Array.from({ length: 25 }, (_, n) => String(n)),
    )
    // Who has every row already is still told of the column.
    const ends = await Array.fromAsync(archivedChanges(fresh, last - 1, join(lake.folder, 'scratch')))
    assert.deepEqual(
      ends.map(({ revision, schema, changes }) => [revision, schema, changes.length]),
      [[last, 2, 0]],
    )
  } finally {
    await lake.close()
  }
})
