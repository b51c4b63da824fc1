/** Trino's client against the real server: exact values, pages, failures, cancelling. */
import assert from 'node:assert/strict'
import { isBlastyError } from '../../base/errors.ts'
import { missingHere, testNeeding } from '../../devstack/lake/needs.ts'
import { testTrino } from '../../devstack/testing.ts'
import { type Trino, trino } from './client.ts'
import { trinoErrorName } from './errors.ts'

const missing = await missingHere('trino')
const withTrino = testNeeding(missing)

const connected = async (): Promise<Trino> => {
  const { server, catalog } = await testTrino()
  return trino({ server, user: 'test', catalog })
}

withTrino('values keep every digit', async () => {
  const sql = `SELECT 9223372036854775807, -9223372036854775808, 9007199254740993, 2147483647, tinyint '-128', 9007199254740993e0,
    DECIMAL '99999999999999999999999999999999999999', DECIMAL '-0.00000000000000000000000000000000000001', true, NULL`
  const { columns } = await (await connected()).query(sql)
  assert.deepEqual(
    columns.map(({ type }) => type.kind),
    ['int64', 'int64', 'int64', 'int32', 'int32', 'double', 'decimal', 'decimal', 'boolean', 'other'],
  )
  assert.deepEqual(columns[6]?.type, { kind: 'decimal', precision: 38, scale: 0 })
  assert.deepEqual(await (await connected()).rows(sql), [
    [
      2n ** 63n - 1n,
      -(2n ** 63n),
      9007199254740993n,
      2147483647,
      -128,
      9007199254740992,
      '99999999999999999999999999999999999999',
      '-0.00000000000000000000000000000000000001',
      true,
      null,
    ],
  ])
})

withTrino('doubles that JSON has no word for arrive as they are', async () => {
  const rows = await (await connected()).rows("SELECT nan(), infinity(), -infinity(), -0e0, 5e-324, real 'NaN'")
  assert.deepEqual(rows, [[Number.NaN, Infinity, -Infinity, -0, 5e-324, Number.NaN]])
})

withTrino('text, bytes, JSON and UUIDs arrive as they are', async () => {
  const text = 'it\'s "日本" 🦀 \u2028 \\ \u0001'
  const rows = await (await connected()).rows(
    `SELECT '${text.replaceAll("'", "''")}', '', X'00FF', X'', JSON '{"a":[1,null]}', UUID '0f8fad5b-d9cb-469f-a165-70867728950e'`,
  )
  assert.deepEqual(rows, [
    [text, '', Buffer.from([0, 255]), Buffer.alloc(0), '{"a":[1,null]}', '0f8fad5b-d9cb-469f-a165-70867728950e'],
  ])
})

withTrino('dates are days and times microseconds since 1970, however far away', async () => {
  const rows = await (
    await connected()
  ).rows(`SELECT DATE '1970-01-02', DATE '1969-12-31', DATE '0001-01-01', DATE '9999-12-31',
    TIMESTAMP '1969-12-31 23:59:59.999999', TIMESTAMP '2026-01-31 12:00:00.123456789',
    TIMESTAMP '9999-12-31 23:59:59.999999 UTC', TIMESTAMP '2026-01-31 12:00:00 +02:00', TIMESTAMP '+10000-01-01 00:00:00 UTC'`)
  assert.deepEqual(rows, [
    [
      1,
      -1,
      -719_162,
      2_932_896,
      -1n,
      1_769_860_800_123_456n,
      253_402_300_799_999_999n,
      1_769_853_600_000_000n,
      253_402_300_800_000_000n,
    ],
  ])
})

withTrino('a time in a zone known by name only is refused with what to do', async () => {
  const query = (await connected()).rows("SELECT TIMESTAMP '2026-01-31 12:00:00 Europe/Berlin'")
  await assert.rejects(
    query,
    error => isBlastyError(error, 'BACKEND_REFUSED') && /AT TIME ZONE 'UTC'/.test(error.message),
  )
})

withTrino('arrays, rows and maps keep their nulls and names', async () => {
  const rows = await (await connected()).rows(`SELECT ARRAY[1, NULL], ARRAY[], CAST(NULL AS array(integer)),
    CAST(ROW(1.5, NULL) AS ROW(lat double, "of it" varchar)), ROW(7, 'x'), MAP(ARRAY['a', 'b'], ARRAY[9223372036854775807, NULL]),
    ARRAY[CAST(ROW(ARRAY[DATE '1970-01-02']) AS ROW(days array(date)))]`)
  assert.deepEqual(rows, [
    [
      [1, null],
      [],
      null,
      { lat: 1.5, 'of it': null },
      { 0: 7, 1: 'x' },
      { a: 2n ** 63n - 1n, b: null },
      [{ days: [1] }],
    ],
  ])
})

withTrino('a large result comes in pages, whole and in order', async () => {
  const { pages, columns } = await (await connected()).query(
    "SELECT a * 1000 + b AS n, lpad('', 500, 'x') AS wide FROM UNNEST(sequence(0, 19)) t(a), UNNEST(sequence(0, 999)) u(b) ORDER BY n",
  )
  assert.deepEqual(
    columns.map(({ name }) => name),
    ['n', 'wide'],
  )
  let next = 0n
  let count = 0
  for await (const page of pages) {
    count++
    for (const [n] of page) assert.equal(n, next++)
  }
  assert.equal(next, 20_000n)
  assert.ok(count > 1, 'more than one page')
})

withTrino('a result without rows has its columns, a statement without result has none', async () => {
  const client = await connected()
  const { columns, pages } = await client.query('SELECT 1 AS one WHERE false')
  assert.deepEqual(columns, [{ name: 'one', type: { kind: 'int32' } }])
  assert.deepEqual(await Array.fromAsync(pages), [])
  assert.deepEqual(await client.rows("SET SESSION query_max_run_time = '1h'"), [])
})

for (const { title, sql, name, code } of [
  { title: 'a text that is no SQL', sql: 'SELEC 1', name: 'SYNTAX_ERROR', code: 'QUERY_FAILED' },
  { title: 'a table that is not there', sql: 'SELECT * FROM blasty.nowhere', name: /NOT_FOUND/, code: 'QUERY_FAILED' },
  {
    title: 'a division by zero',
    sql: 'SELECT 1 / (n - 1) FROM UNNEST(sequence(1, 2)) t(n)',
    name: 'DIVISION_BY_ZERO',
    code: 'QUERY_FAILED',
  },
] as const) {
  withTrino(`${title} fails with Trino's own name and sentence`, async () => {
    await assert.rejects((await connected()).rows(sql), error => {
      assert.ok(isBlastyError(error, code))
      assert.match(trinoErrorName(error) ?? '', new RegExp(name))
      assert.match(error.message, new RegExp(name))
      return true
    })
  })
}

/** A query that does not end by itself in the time of a test. */
const endless = `SELECT count(*) FROM UNNEST(sequence(1, 10000)) a(x), UNNEST(sequence(1, 10000)) b(y), UNNEST(sequence(1, 10000)) c(z)
  WHERE sin(x * y * z) = 2`
/** One that has rows to give for as long as somebody takes them. */
const longwinded =
  'SELECT x, y, z FROM UNNEST(sequence(1, 10000)) a(x), UNNEST(sequence(1, 10000)) b(y), UNNEST(sequence(1, 10000)) c(z)'

async function stateOf(client: Trino, queryId: string): Promise<unknown> {
  for (;;) {
    const [[state] = []] = await client.rows(`SELECT state FROM system.runtime.queries WHERE query_id = '${queryId}'`)
    if (state === 'FAILED' || state === 'FINISHED') return state
  }
}

withTrino('a query limited in time ends with its limit named', async () => {
  const query = (await connected()).rows(endless, { session: { query_max_run_time: '1s' } })
  await assert.rejects(
    query,
    error => isBlastyError(error, 'QUERY_LIMIT') && trinoErrorName(error) === 'EXCEEDED_TIME_LIMIT',
  )
})

withTrino('an aborted signal ends the wait with its reason, and the query on the server', async () => {
  const client = await connected()
  const reason = new Error('the client left')
  const aborter = new AbortController()
  const tag = `-- ${Math.random()}`
  const running = client.rows(`${endless} ${tag}`, { signal: aborter.signal })
  const find = async (): Promise<string> => {
    for (;;) {
      const sql = `SELECT query_id FROM system.runtime.queries WHERE query LIKE '%${tag}' AND query NOT LIKE '%system.runtime%' AND state = 'RUNNING'`
      const [[id] = []] = await client.rows(sql)
      if (typeof id === 'string') return id
    }
  }
  const [id] = await Promise.all([find(), Promise.race([running, Promise.resolve()])])
  aborter.abort(reason)
  await assert.rejects(running, error => error === reason)
  assert.equal(await stateOf(client, id), 'FAILED')
})

withTrino('leaving the pages early cancels the query on the server', async () => {
  const client = await connected()
  const { queryId, pages } = await client.query(longwinded)
  for await (const page of pages) {
    assert.ok(page.length > 0)
    break
  }
  assert.equal(await stateOf(client, queryId), 'FAILED')
})
