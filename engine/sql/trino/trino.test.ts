/** SQL in Trino gives what the same SQL gives in the embedded engine, or is refused with what is not translated. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { DuckDBDecimalValue, DuckDBTimestampTZValue } from '@duckdb/node-api'
import { type Trino, trino } from '../../../backends/trino/client.ts'
import { registerTable, unregisterTable } from '../../../backends/trino/tables.ts'
import { type ErrorCode, isBlastyError } from '../../../base/errors.ts'
import { missingHere, testNeeding } from '../../../devstack/lake/needs.ts'
import { testTrino, uniqueName } from '../../../devstack/testing.ts'
import { everyRow, everyType } from '../../../test/readers/every-type.ts'
import { type TestArchiver, type TestLake, testLake } from '../../lake/testing.ts'
import { openSqlDatabase, type SqlDatabase } from '../../replica/sql-database.ts'
import type { Json, Row } from '../../schema/schema.ts'
import type { Table } from '../../table.ts'
import { patience } from '../../testing.ts'
import { guardQuery } from '../guard.ts'
import { type QueryParameters, type QueryPart, runQuery } from '../query.ts'
import { type PinnedTable, runInTrino } from './query.ts'

const missing = await missingHere('trino')
const withTrino = testNeeding(missing)

let lake: TestLake
let sql: SqlDatabase
let table: Table
let client: Trino
let pinned: PinnedTable
let archiver: TestArchiver
const running = new AsyncDisposableStack()

const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value)
/** As clients may send them (an item of an array is never null), with times of whole milliseconds, which is what Trino has. */
const rows: readonly Row[] = everyRow.map(row => ({
  ...row,
  moment: typeof row.moment === 'string' ? row.moment.replace(/\d{3}Z$/, '000Z') : null,
  ...Object.fromEntries(
    everyType.columns.flatMap(({ name, type }) => {
      const value = row[name]
      if (type !== 'Array' || !isList(value)) return []
      const items = value.filter(item => item !== null)
      return [[name, name === 'moments' ? items.map(item => String(item).replace(/\d{3}Z$/, '000Z')) : items]]
    }),
  ),
}))

before(async () => {
  if (missing !== undefined) return
  const info = await testTrino()
  client = trino({ server: info.server, user: 'test' })
  lake = await testLake(everyType)
  running.defer(lake.close)
  const opened = await openSqlDatabase(join(lake.folder, 'sql.duckdb'), { memory: '512MB', threads: 1 })
  running.defer(() => opened.close())
  sql = opened
  table = lake.open('table', lake.objects, async () => opened)
  const puts = rows.map(row => ({ op: 'put' as const, row: table.schemas.codec.row(row, 'row') }))
  const { revision } = await table.writer.write(puts, { principal: 'p', schema: 1, signal: patience() })
  archiver = lake.archiver(table, 'archiver')
  const { version } = await archiver.reached(revision)
  const name = { catalog: info.catalog, schema: uniqueName('sql'), table: 'films' }
  await registerTable(client, name, `s3://${lake.bucket}/lake`)
  running.defer(() => unregisterTable(client, name))
  pinned = { ...name, version, revision, columns: everyType.columns }
})
after(() => running.disposeAsync())

const visible = new Set(['films'])
const common = (text: string, parameters: QueryParameters, maxRows: number) => ({
  sql: text,
  parameters,
  visible,
  format: 'columns' as const,
  maxRows,
  timeoutMillis: 60_000,
  signal: patience(),
  admit: async () => () => {},
})

async function inTrino(text: string, parameters: QueryParameters = [], maxRows = Number.POSITIVE_INFINITY) {
  const query = await guardQuery(text, visible)
  return Array.fromAsync(runInTrino({ ...common(text, parameters, maxRows), query, client, pin: async () => pinned }))
}

async function embedded(text: string, parameters: QueryParameters = [], maxRows = Number.POSITIVE_INFINITY) {
  return Array.fromAsync(
    runQuery({
      ...common(text, parameters, maxRows),
      database: async () => sql,
      freshen: async (_, signal) => {
        await table.reached(pinned.revision, 'columns', signal)
      },
      memory: { enter: () => () => {} },
    }),
  )
}

/** Names, types and values of a result; values as text, so that -0 and NaN can be told from others. */
function shown(parts: readonly QueryPart[]) {
  const columns = parts.flatMap(part => (part.kind === 'columns' ? part.columns : []))
  const values = columns.map((_, at) =>
    parts.flatMap(part => {
      const column = part.kind === 'rows' ? part.columns[at] : undefined
      if (column === undefined) return []
      return Array.from({ length: column.values.length }, (_, row) => {
        const isNull = (((column.nulls[row >> 3] ?? 0) >> (row & 7)) & 1) === 1
        const value = column.values.at(row)
        // The moment of the commit has microseconds, of which Trino knows nothing.
        if (columns[at]?.name === '_commit_time' && typeof value === 'bigint')
          return String(Math.round(Number(value) / 1000))
        return isNull ? null : value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)
      })
    }),
  )
  return { columns, values }
}

const date = '2024-02-29'
const same: readonly (string | readonly [sql: string, parameters: QueryParameters])[] = [
  'SELECT * FROM films ORDER BY id',
  'SELECT f.* FROM films f WHERE id > 5 ORDER BY id DESC',
  'SELECT id AS "a ""b""; --", "id" + 1 AS "select" FROM films ORDER BY 1',
  // Aggregates and the names of their columns.
  'SELECT count(*), count(text), count(DISTINCT flag), sum(int32), sum(int64), sum(double), sum(small), min(text), max(text) FROM films WHERE id <> 3 AND id <> 2 AND id <> 4 AND id < 6',
  'SELECT min(double), max(double), min(day), max(day), min(uuid), max(moment), min(small), max(wide), min(bytes) FROM films',
  'SELECT max(double) FROM films WHERE id <> 2',
  'SELECT min(double), max(double), count(*), sum(int64), avg(int32) FROM films WHERE id = 2',
  'SELECT avg(int32), avg(int64), avg(small), avg(double) FROM films WHERE id IN (1, 8, 7)',
  'SELECT count(*), sum(int64), avg(int64), min(text) FROM films WHERE id < 0',
  'SELECT sum(int64) FROM films WHERE int64 > 0',
  'SELECT count(*) FILTER (WHERE id > 2), max(double) FILTER (WHERE id < 2), sum(DISTINCT int32) FILTER (WHERE int32 < 1) FROM films',
  // Groups.
  'SELECT flag, count(*) AS n FROM films GROUP BY flag ORDER BY n DESC, flag',
  'SELECT double, count(*) FROM films GROUP BY double ORDER BY double',
  'SELECT int32 % 2 AS odd, count(*) FROM films GROUP BY 1 ORDER BY odd NULLS FIRST',
  'SELECT flag, id > 4 AS big, sum(id) FROM films GROUP BY ALL ORDER BY 1, 2',
  'SELECT flag, count(*) FROM films GROUP BY flag HAVING count(*) > 1 AND sum(id) > 3 ORDER BY flag',
  'SELECT DISTINCT flag FROM films ORDER BY flag DESC NULLS FIRST',
  'SELECT year(day) AS y, count(*) FROM films GROUP BY y ORDER BY y',
  // Order and limits.
  'SELECT id, double FROM films ORDER BY double DESC, id LIMIT 4 OFFSET 1',
  'SELECT id, text FROM films WHERE id <> 6 ORDER BY text, id',
  'SELECT uuid FROM films ORDER BY uuid DESC',
  ['SELECT id FROM films ORDER BY id LIMIT $1 OFFSET $2', [2n, 3n]],
  // Comparisons, also of NaN, NULL and the ends of types.
  ...['=', '<>', '<', '<=', '>', '>='].flatMap(operator => [
    `SELECT id, double ${operator} 0.1 AS x, double ${operator} 'NaN'::DOUBLE AS y, 2e0 ${operator} double AS z FROM films ORDER BY id`,
    `SELECT a.id, b.id, a.double ${operator} b.double AS x FROM films a CROSS JOIN films b ORDER BY 1, 2`,
    `SELECT id, int32 ${operator} int64 AS a, small ${operator} int32 AS b, int64 ${operator} double AS c, text ${operator} 'plain' AS d FROM films ORDER BY id`,
  ]),
  `SELECT id FROM films WHERE double IN (0.1, 0, 'NaN'::DOUBLE) ORDER BY id`,
  'SELECT id FROM films WHERE double NOT IN (0.1, 0) ORDER BY id',
  'SELECT id FROM films WHERE int64 IN (0, 9007199254740993) OR int64 = -9223372036854775808 ORDER BY id',
  "SELECT id FROM films WHERE NOT (text IN ('plain', '') OR flag) ORDER BY id",
  'SELECT id FROM films WHERE double BETWEEN -1.5 AND 5 OR NOT small BETWEEN 0 AND 1 ORDER BY id',
  `SELECT id FROM films WHERE day >= '${date}' OR day < DATE '1582-10-10' ORDER BY id`,
  `SELECT id FROM films WHERE moment > '2026-01-31 12:00:00.1' OR moment < TIMESTAMP '0001-01-01 00:00:00.001' ORDER BY id`,
  "SELECT id FROM films WHERE moment = '2026-01-31T12:00:00.123Z' ORDER BY id",
  "SELECT id FROM films WHERE uuid = '0F8FAD5B-D9CB-469F-A165-70867728950E' ORDER BY id",
  'SELECT id FROM films WHERE whole = 99999999999999999999999999999999999999 OR wide < -1 ORDER BY id',
  'SELECT id, flag AND id > 2 AS x, flag OR id > 2 AS y, NOT flag AS z, flag IS NULL AS n, json IS NOT NULL AS j FROM films ORDER BY id',
  "SELECT id, flag = true AS t, flag <> 'f' AS f FROM films ORDER BY id",
  "SELECT id, text LIKE 'p%n' AS a, text NOT LIKE '% %' AS b, text LIKE '_l%' AS c, text NOT LIKE '%_l%_i%' AS e, text LIKE '%\\%' AS d FROM films ORDER BY id",
  // Arithmetic.
  'SELECT id + 1, id - 1, id * 2, id / 3, id // 2, id % 3, -id, 7 // (id - 1), 7 % (id - 1), 1 / (id - 1) FROM films ORDER BY id',
  'SELECT small + 1, small * 2, small - 0.5, small * small, small / 3, small + id, int32 * 1.5, middle * small FROM films WHERE id IN (1, 4, 9) ORDER BY id',
  'SELECT double + 1, double * 2, double / 0, double - small, -double, 0e0 / double FROM films ORDER BY id',
  'SELECT sum(id) / count(*), sum(id) > 44, sum(small) + 1 FROM films',
  // Functions, CASE and casts.
  "SELECT length(text), strlen(text), contains(text, 'lai'), starts_with(text, 'p'), strpos(text, 'n'), substring(text, 2, 3), substr(text, 3), text || '!' FROM films WHERE id <> 6 ORDER BY id",
  "SELECT year(day), month(day), day(day), quarter(day), date_part('year', moment), extract(hour FROM moment), minute(moment) FROM films ORDER BY id",
  ...['year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second'].map(
    unit => `SELECT date_trunc('${unit}', moment) FROM films WHERE id NOT IN (2, 3) ORDER BY id`,
  ),
  "SELECT abs(id - 5), abs(small), abs(double), floor(double), ceil(double), coalesce(int32, id), coalesce(text, 'none'), nullif(id, 3) FROM films ORDER BY id",
  "SELECT CASE WHEN id < 3 THEN 1 WHEN id < 5 THEN NULL ELSE 0 END, CASE id WHEN 1 THEN 'one' ELSE text END, CASE WHEN flag THEN double END FROM films ORDER BY id",
  'SELECT id::VARCHAR, int32::BIGINT, small::DOUBLE, small::DECIMAL(9, 1), day::VARCHAR, flag::VARCHAR, uuid::VARCHAR, moment::DATE, id::DECIMAL(20, 2) FROM films ORDER BY id',
  'SELECT -0.05::DECIMAL(9, 1), 0.15::DECIMAL(9, 1), -0.15::DECIMAL(9, 1) FROM films LIMIT 1',
  "SELECT 1, 'text', 1.50, 1e3, true, DATE '2024-02-29', 10000000000, CAST(NULL AS BIGINT) FROM films LIMIT 1",
  // Fields.
  'SELECT place.lat, films.place.lon, blob.size, blob."type" FROM films WHERE place.lat > -100 OR blob.size > 0 ORDER BY id',
  // Joins.
  'SELECT a.id, b.text FROM films a JOIN films b ON a.id = b.id + 1 AND b.flag ORDER BY a.id',
  'SELECT a.id, b.id FROM films a LEFT JOIN films b ON a.id = b.id * 2 ORDER BY a.id',
  'SELECT a.id, b.id FROM films a RIGHT JOIN films b ON a.id = b.id * 2 ORDER BY b.id',
  'SELECT a.id, b.id FROM films a FULL JOIN films b ON a.id = b.id + 5 ORDER BY a.id, b.id',
  'SELECT count(*) FROM films a, films b JOIN films c ON b.id = c.id WHERE a.id = b.id',
  // Parameters of every type, hostile ones too.
  [
    'SELECT id FROM films WHERE text = $1 OR int64 = $2 OR small = $3 OR double = $4 ORDER BY id',
    ['日本 🦀 e\u0301 \u2028 "quoted" \\ \'', 9007199254740993n, new DuckDBDecimalValue(1n, 3, 2), Number.NaN],
  ],
  ["SELECT id FROM films WHERE text = $t OR text = '''; DROP TABLE films; --' ORDER BY id", { t: "' OR 1=1 --" }],
  [
    'SELECT id FROM films WHERE moment >= $1 OR flag = $2 ORDER BY id',
    [new DuckDBTimestampTZValue(1_769_860_800_123_000n), true],
  ],
  ['SELECT $1, $2 + 1, $3 FROM films LIMIT 1', ['\u0001 \0 🦀', 2n ** 63n - 2n, -0]],
  ['SELECT id FROM films WHERE int64 = $1 OR text = $1 ORDER BY id', [null]],
]

for (const one of same) {
  const [text, parameters] = typeof one === 'string' ? [one, []] : one
  withTrino(`the same in both: ${text}`, async () => {
    assert.deepEqual(shown(await inTrino(text, parameters)), shown(await embedded(text, parameters)))
  })
}

const refusals: readonly (readonly [sql: string, message: RegExp, code?: ErrorCode])[] = [
  ['SELECT lower(text) FROM films', /the function lower\(\)/],
  ["SELECT text ILIKE 'a' FROM films", /~~\*/],
  ['SELECT text LIKE text FROM films', /pattern/],
  ['WITH x AS (SELECT * FROM films) SELECT * FROM x', /WITH/],
  ['SELECT 1 UNION SELECT id FROM films', /UNION/],
  ['SELECT id FROM films WHERE id IN (SELECT id FROM films)', /subquery/],
  ['SELECT * FROM (SELECT id FROM films)', /subquery/],
  ['SELECT row_number() OVER () FROM films', /window/],
  ['SELECT * FROM films, range(3)', /function after FROM/],
  ['SELECT * EXCLUDE (id) FROM films', /EXCLUDE/],
  ['SELECT DISTINCT ON (flag) id FROM films', /DISTINCT ON/],
  ['SELECT flag, count(*) FROM films GROUP BY ROLLUP (flag)', /ROLLUP/],
  ['SELECT id FROM films ORDER BY ALL', /ORDER BY ALL/],
  ['SELECT id FROM films LIMIT 10%', /LIMIT in percent/],
  ['SELECT id FROM films USING SAMPLE 3', /SAMPLE/],
  ['SELECT a.id FROM films a JOIN films b USING (id)', /USING/],
  ['SELECT a.id FROM films a SEMI JOIN films b ON a.id = b.id', /SEMI join/],
  ['SELECT id IS DISTINCT FROM 1 FROM films', /IS DISTINCT FROM/],
  ["SELECT json = '1' FROM films", /JSON/],
  ['SELECT texts[1] FROM films', /ARRAY_EXTRACT/],
  ['SELECT TRY_CAST(text AS INTEGER) FROM films', /TRY_CAST/],
  ['SELECT double::VARCHAR FROM films', /cast from Double to String/],
  ['SELECT text > 1 FROM films', /String and Int32/],
  ["SELECT id FROM films WHERE day > '2024-02-30'", /as Date/],
  ["SELECT id FROM films WHERE moment > '2024-01-01 00:00:00+05'", /as Timestamp/],
  ["SELECT id FROM films WHERE day > 'infinity'", /as Date/],
  ['SELECT fraction > 0 FROM films', /decimal\(38, 38\) and Int32/],
  ['SELECT day > moment FROM films', /Date and Timestamp/],
  ['SELECT id AS n FROM films WHERE n > 1', /a name that the SELECT list gives/],
  ['SELECT text AS id FROM films ORDER BY id', /a column and another item/],
  ["SELECT TIMESTAMP '2024-01-01' - INTERVAL 1 DAY FROM films", /INTERVAL|to_days|function/],
  ['SELECT substring(text, -1) FROM films', /substring/],
  ['SELECT nothing FROM films', /no column nothing/, 'QUERY_FAILED'],
  ['SELECT f.place.alt FROM films f', /no column place\.alt/, 'QUERY_FAILED'],
  ['SELECT id FROM films a JOIN films b ON a.id = b.id', /of several tables/, 'QUERY_FAILED'],
  ['SELECT text, count(*) FROM films', /GROUP BY/, 'QUERY_FAILED'],
  ['SELECT int64 * 2 FROM films WHERE id = 3', /overflow/i, 'QUERY_FAILED'],
  ['SELECT * FROM secrets', /secrets/, 'TABLE_NOT_FOUND'],
  ['DROP TABLE films', /SELECT/, 'INVALID_SQL'],
]
for (const [text, message, code = 'UNSUPPORTED'] of refusals) {
  withTrino(`refused with ${code}: ${text}`, async () => {
    await assert.rejects(inTrino(text), error => {
      assert.ok(isBlastyError(error), String(error))
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      return true
    })
  })
}

withTrino('rows beyond the limit are cut, and a plan is text', async () => {
  const cut = (await inTrino('SELECT id FROM films', [], 2)).at(-1)
  assert.ok(cut?.kind === 'end')
  assert.deepEqual([cut.rows, cut.truncated], [2, true])
})

withTrino('a version is what it was while the lake goes on', async () => {
  const gone = { op: 'delete' as const, row: { id: '9' } }
  const { revision } = await table.writer.write([gone], { principal: 'p', schema: 1, signal: patience() })
  const { version } = await archiver.reached(revision)
  const text = 'SELECT count(*), max(_revision) FROM films'
  const before = await inTrino(text)
  pinned = { ...pinned, version, revision }
  const now = await inTrino(text)
  assert.deepEqual([shown(before).values[0], shown(now).values[0]], [['9'], ['8']])
  assert.deepEqual(shown(now), shown(await embedded(text)))
  const end = now.at(-1)
  assert.ok(end?.kind === 'end')
  assert.deepEqual([...end.revisions], [['films', revision]])
})

withTrino('a query is cancelled when its caller leaves, and its turn is over', async () => {
  const leave = new AbortController()
  const query = await guardQuery(
    'SELECT count(*) FROM films a, films b, films c, films d, films e, films f, films g, films h, films i',
    visible,
  )
  let over = 0
  const parts = runInTrino({
    ...common('', [], 1),
    query,
    client,
    pin: async () => pinned,
    signal: leave.signal,
    admit: async () => {
      leave.abort(new Error('left'))
      return () => {
        over++
      }
    },
  })
  await assert.rejects(Array.fromAsync(parts), /left/)
  assert.equal(over, 1)
})

withTrino(
  'a name that Trino does not know, and a server that is away, are told apart from failures of the query',
  async () => {
    const query = await guardQuery('SELECT id FROM films', visible)
    const unknown = { ...pinned, table: 'nothing' }
    const run = (one: PinnedTable, asked: Trino) =>
      Array.fromAsync(runInTrino({ ...common('', [], 1), query, client: asked, pin: async () => one }))
    await assert.rejects(run(unknown, client), error => isBlastyError(error, 'TABLE_NOT_READY'))
    const away = trino({ server: 'http://127.0.0.1:1', user: 'test', patienceMillis: 0 })
    await assert.rejects(run(pinned, away), error => isBlastyError(error, 'BACKEND_UNAVAILABLE'))
  },
)
