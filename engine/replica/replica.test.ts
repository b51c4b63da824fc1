import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { logWriter } from '../log/writer.ts'
import { keyEncoder } from '../schema/key.ts'
import { eventSchema, filmSchema, patience, type TestLog, temporaryFolder, testLog } from '../testing.ts'
import { TableReplica } from './replica.ts'
import { openSqlDatabase, type SqlDatabase } from './sql-database.ts'

const options = () => ({ principal: 'user:test', schema: 1, signal: patience() })
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let sql: SqlDatabase

before(async () => {
  folder = await temporaryFolder()
  sql = await openSqlDatabase(join(folder.path, 'test.duckdb'), { memory: '512MB', threads: 2 })
})
after(async () => {
  await sql.close()
  await folder.remove()
})

const rowsOf = async (query: string) => {
  const connection = await sql.connect()
  try {
    return (await connection.runAndReadAll(query)).getRowObjectsJson()
  } finally {
    connection.closeSync()
  }
}

const openReplica = (on: TestLog, name: string) =>
  TableReplica.open({
    log: on.log,
    schemas: on.schemas,
    name,
    directory: join(folder.path, name),
    sql,
    onFailure: error => assert.fail(String(error)),
  })

const everyType = {
  id: 'a',
  title: 'Ä "quoted" 💡',
  votes: '9223372036854775807',
  gross: '1234567890123456.78',
  rating: 'NaN',
  released: '1999-12-31',
  seen: '2026-01-31T12:00:00.000001Z',
  tags: ['x', ''],
  place: { lat: 52.5, lon: 13.4 },
  raw: 'AP8=',
  extra: { a: [1, null] },
  flag: false,
  uid: '550e8400-e29b-41d4-a716-446655440000',
  year: -5,
}

test('a row of every type is found by key and by SQL, and gone after its delete', async () => {
  const on = await testLog(filmSchema)
  const writer = logWriter(on.log, { encodeKey: keyEncoder(filmSchema), lookup: async () => undefined })
  const replica = await openReplica(on, 'films')
  const row = on.schemas.codec.row(everyType, 'row')
  const first = await writer.write([{ op: 'put', row }], options())
  await replica.reached(first.revision, patience())
  assert.deepEqual(replica.get(on.schemas.encodeKey(row))?.row(on.schemas.codec), everyType)
  await replica.columnsReached(first.revision, patience())
  assert.deepEqual(await rowsOf('SELECT * EXCLUDE (_commit_time) FROM films'), [
    {
      ...everyType,
      seen: '2026-01-31 12:00:00.000001+00',
      raw: '\\x00\\xFF',
      extra: '{"a":[1,null]}',
      _revision: String(first.revision),
    },
  ])
  const second = await writer.write(
    [
      { op: 'put', row: { ...row, title: 'again' } },
      { op: 'put', row: { id: 'b' } },
    ],
    options(),
  )
  await replica.columnsReached(second.revision, patience())
  assert.deepEqual(await rowsOf('SELECT id, title, _revision FROM films ORDER BY id'), [
    { id: 'a', title: 'again', _revision: '2' },
    { id: 'b', title: null, _revision: '3' },
  ])
  const third = await writer.write([{ op: 'delete', row: { id: 'a' } }], options())
  await replica.columnsReached(third.revision, patience())
  assert.deepEqual(await rowsOf('SELECT id FROM films'), [{ id: 'b' }])
  assert.equal(replica.get(on.schemas.encodeKey(row)), undefined)
  await replica.close()
  await on.close()
})

test('a replica opened late, closed and opened again shows the same rows', async () => {
  const on = await testLog(filmSchema)
  const writer = logWriter(on.log, { encodeKey: keyEncoder(filmSchema), lookup: async () => undefined })
  let last = 0
  for (let round = 0; round < 5; round++) {
    const changes = Array.from({ length: 200 }, (_, i) => ({
      op: (i + round) % 7 === 0 ? ('delete' as const) : ('put' as const),
      row: { id: `k${(i * 7 + round) % 300}`, year: round },
    }))
    last = (await writer.write(changes, options())).revision
  }
  const shown = async () => rowsOf('SELECT count(*) AS n, sum(year) AS years, max(_revision) AS newest FROM late')
  let replica = await openReplica(on, 'late')
  await replica.columnsReached(last, patience())
  const before = await shown()
  assert.equal(Number(before[0]?.n), replica.count)
  await replica.close()
  last = (await writer.write([{ op: 'put', row: { id: 'new', year: 100 } }], options())).revision
  replica = await openReplica(on, 'late')
  await replica.columnsReached(last, patience())
  assert.equal(Number((await shown())[0]?.n), Number(before[0]?.n) + 1)
  assert.equal(Number((await shown())[0]?.n), replica.count)
  await replica.close()
  await on.close()
})

test('an append-only Table shows every row once, written before and after the replica opened', async () => {
  const on = await testLog(eventSchema)
  const writer = logWriter(on.log, { encodeKey: () => Buffer.alloc(0), lookup: async () => undefined })
  const rows = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => ({
      at: '2026-01-01T00:00:00.000000Z',
      n: String(from + i),
      text: 'x'.repeat(50),
    }))
  await writer.append(rows(0, 5000), options())
  const replica = await openReplica(on, 'events')
  const { revision } = await writer.append(rows(5000, 5000), options())
  await replica.columnsReached(revision, patience())
  assert.deepEqual(await rowsOf('SELECT count(*) AS n, count(DISTINCT n) AS d, sum(n) AS s FROM events'), [
    { n: '10000', d: '10000', s: String((9999 * 10000) / 2) },
  ])
  await replica.close()
  await on.close()
})

test('readers of the change source see every change once, whether behind the window or ahead of it', async () => {
  const on = await testLog(filmSchema)
  const writer = logWriter(on.log, { encodeKey: keyEncoder(filmSchema), lookup: async () => undefined })
  await writer.write([{ op: 'put', row: { id: 'a', year: 1 } }], options())
  const replica = await openReplica(on, 'changes')
  await replica.reached(1, patience())
  const stop = new AbortController()
  const seen: string[] = []
  const reading = (async () => {
    for await (const batch of replica.source.changes(0, stop.signal)) {
      for (const { old, new: next } of batch.changes) {
        seen.push(
          `${batch.revision} ${old?.row(on.schemas.codec).year ?? '-'} ${next?.row(on.schemas.codec).year ?? '-'}`,
        )
      }
      if (batch.revision >= 4) return
    }
  })()
  await writer.write(
    [
      { op: 'put', row: { id: 'a', year: 2 } },
      { op: 'put', row: { id: 'b', year: 3 } },
    ],
    options(),
  )
  await writer.write([{ op: 'delete', row: { id: 'a' } }], options())
  await reading
  assert.deepEqual(seen, ['1 - 1', '3 1 2', '3 - 3', '4 2 -'])
  await replica.close()
  await on.close()
})
