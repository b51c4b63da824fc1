/** What the guard lets through, and that it runs. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { isBlastyError } from '../../base/errors.ts'
import { guardQuery } from './guard.ts'
import { lockdownStatements } from './lockdown.ts'
import { createMacros } from './macros.ts'

const visible: ReadonlySet<string> = new Set(['films', 'people', 'air-ports'])
let connection: DuckDBConnection

before(async () => {
  connection = await (await DuckDBInstance.create(':memory:', { threads: '1', memory_limit: '256MB' })).connect()
  for (const statement of [
    `CREATE TABLE films AS SELECT i AS id, 'film ' || i AS title, i % 3 AS region, DATE '2020-01-01' + i::INTEGER AS released,
      (i * 1.5)::DECIMAL(18,2) AS gross, ['a', 'b'] AS tags, {'lat': 1.0, 'lon': i::DOUBLE} AS place, '{"x": {"y": 1}}'::JSON AS doc
      FROM range(10) r(i)`,
    `CREATE TABLE people AS SELECT i AS id, i AS film, 'p' || i AS name FROM range(20) r(i)`,
    'CREATE TABLE "air-ports" AS SELECT 1 AS id',
    'CREATE TABLE secret AS SELECT 42 AS id',
    createMacros,
    ...lockdownStatements,
  ]) {
    await connection.run(statement)
  }
})

after(() => connection.closeSync())

const rows = async (sql: string) => (await connection.runAndReadAll(sql)).getRowsJson()

const accepted: readonly string[] = [
  'SELECT * FROM films',
  'select title from FILMS where gross >= 3.5 order by title desc nulls last limit 3 offset 1',
  'FROM films',
  'FROM films SELECT id, title WHERE id > 2',
  'TABLE films',
  'SELECT * FROM "air-ports"',
  'SELECT * FROM films; -- the end',
  'SELECT f.title, p.name FROM films f JOIN people p ON p.film = f.id WHERE f.region = 1',
  'SELECT * FROM films LEFT JOIN people USING (id)',
  'SELECT * FROM films NATURAL JOIN "air-ports"',
  'SELECT * FROM films f SEMI JOIN people p ON f.id = p.film',
  'SELECT * FROM films f ASOF JOIN people p ON f.id >= p.id',
  'SELECT * FROM films POSITIONAL JOIN people',
  'SELECT region, count(*), sum(gross) FILTER (WHERE id > 2), count(DISTINCT title) FROM films GROUP BY region HAVING count(*) > 1',
  'SELECT region, sum(gross) FROM films GROUP BY ALL ORDER BY ALL',
  'SELECT region, id, count(*), grouping(region) FROM films GROUP BY ROLLUP (region, id)',
  'SELECT region, id, count(*) FROM films GROUP BY CUBE (region), ROLLUP (id) ORDER BY ALL',
  'SELECT count(*) FROM films GROUP BY GROUPING SETS ((region), (id), ())',
  'WITH big AS (SELECT * FROM films WHERE gross > 5) SELECT count(*) FROM big',
  'WITH a AS (SELECT 1 AS n), b AS MATERIALIZED (SELECT n + 1 AS n FROM a) SELECT (SELECT max(n) FROM b) FROM a',
  'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5) SELECT sum(n) FROM c',
  'SELECT title, row_number() OVER (PARTITION BY region ORDER BY gross DESC) AS r FROM films QUALIFY r = 1',
  'SELECT sum(gross) OVER w, lag(id, 1, 0 IGNORE NULLS) OVER w FROM films WINDOW w AS (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)',
  'SELECT * FROM films WHERE id IN (SELECT film FROM people) AND EXISTS (SELECT 1 FROM people p WHERE p.film = films.id)',
  'SELECT * FROM films, LATERAL (SELECT films.id + 1 AS next) AS q',
  'SELECT id FROM films UNION ALL SELECT id FROM people EXCEPT SELECT 3 INTERSECT SELECT 4 ORDER BY 1 LIMIT 3',
  'SELECT id FROM films UNION BY NAME SELECT name FROM people',
  'SELECT list_transform(tags, lambda t: upper(t)), list_filter([1, 2], x -> x > 1), [x * 2 FOR x IN [1, 2] IF x > 1] FROM films',
  "SELECT doc->'x'->>'y', doc->>'$.x.y', place.lat, place['lon'], tags[1], tags[1:2], {'a': 1}.a, map {'k': 1}['k'] FROM films",
  'SELECT * EXCLUDE (doc) REPLACE (gross + 1 AS gross) RENAME (title AS name) FROM films',
  "SELECT COLUMNS('i.*'), max(COLUMNS(c -> c = 'id')) OVER () FROM films",
  'VALUES (1, 2.5), (3, 4e0)',
  "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v(n, t) WHERE n > 1",
  'SELECT * FROM range(1, 5) r(n), generate_series(1, 2), unnest([1, 2]) WITH ORDINALITY u(x)',
  'SELECT unnest(tags) FROM films',
  'SELECT 1e5, 1.5e0, 1e-7, 5e-324, 99999999999999999999, 1.50, -0e0, true, NULL',
  "SELECT DATE '2020-01-01' + INTERVAL 1 MONTH, TIMESTAMPTZ '2020-01-01 00:00:00+02' AT TIME ZONE 'UTC', extract(year FROM released), date_trunc('month', released) FROM films",
  "SELECT released::VARCHAR, try_cast(title AS INT), [gross]::DECIMAL(9,1)[], NULL::STRUCT(a INT, b MAP(INT, JSON)), '1'::INT FROM films",
  "SELECT CASE region WHEN 1 THEN 'x' ELSE 'y' END, coalesce(NULL, title), nullif(id, 1), if(id > 1, 2, 3), greatest(id, 2) FROM films",
  "SELECT title LIKE 'f%', title NOT ILIKE 'F%', title ~ 'f.*', title SIMILAR TO 'f', title LIKE '$_' ESCAPE '$', title BETWEEN 'a' AND 'b' FROM films",
  'SELECT title COLLATE nocase FROM films ORDER BY title COLLATE noaccent',
  "SELECT string_agg(title, ', ' ORDER BY id), list(DISTINCT region), arg_max(title, gross), quantile_cont(gross, 0.5), mode(region) FROM films",
  'SELECT DISTINCT ON (region) region, title FROM films ORDER BY region, title',
  'SELECT * FROM films USING SAMPLE 5',
  'SELECT * FROM films TABLESAMPLE reservoir(50%) REPEATABLE (1)',
  'SELECT now(), current_date, random(), uuid()',
  'SELECT films.title FROM films ORDER BY 1 LIMIT 50%',
  'SELECT x: id, y: title FROM films',
  "SELECT 'it''s', E'a\\nb', $$dollar$$, \"title\" FROM films",
  'SELECT id FROM films WHERE (id, region) IN ((1, 1), (2, 2)) OR id IS DISTINCT FROM 3',
  'SELECT #1 FROM films',
  'SELECT films FROM films',
]

test('an ordinary query is accepted and the text to run gives the same rows', async t => {
  for (const sql of accepted) {
    await t.test(sql, async () => {
      const guarded = await guardQuery(sql, visible)
      const expected = await rows(sql)
      const actual = await rows(guarded.text)
      if (/random|now|SAMPLE/.test(sql)) assert.equal(actual.length, expected.length)
      else assert.deepEqual(actual, expected)
    })
  }
})

test('the tables and parameters that a query uses are told', async () => {
  const query =
    'WITH x AS (SELECT * FROM People) SELECT $b, $a, $a FROM x JOIN films ON films.id = x.id JOIN "AIR-PORTS" ON true'
  const guarded = await guardQuery(query, visible)
  assert.deepEqual(
    [guarded.tables, guarded.parameters],
    [
      ['air-ports', 'films', 'people'],
      ['a', 'b'],
    ],
  )
  assert.deepEqual((await guardQuery('SELECT ? + ?, ?', visible)).parameters, ['1', '2', '3'])
})

test('parameters keep their names in the text to run', async () => {
  const { text } = await guardQuery('SELECT id FROM films WHERE id = $id AND region < $top', visible)
  const reader = await connection.runAndReadAll(text, { id: 1, top: 5 })
  assert.deepEqual(reader.getRowsJson(), [['1']])
})

/** DuckDB must resolve a name to the common table expression wherever the guard takes it for one. */
const hiding: readonly string[] = [
  'WITH secret AS (SELECT 1 AS id) SELECT id FROM secret',
  'WITH Secret AS (SELECT 1 AS id) SELECT id FROM sEcret',
  'WITH secret AS (SELECT 1 AS id) SELECT id FROM (SELECT * FROM secret)',
  'WITH secret AS (SELECT 1 AS id) SELECT (SELECT id FROM secret)',
  'WITH secret AS (SELECT 1 AS id), b AS (SELECT * FROM secret) SELECT id FROM b',
  'WITH secret AS (SELECT 1 AS id) SELECT 1 INTERSECT SELECT id FROM secret',
  'WITH secret AS (SELECT 1 AS id) (SELECT id FROM secret) UNION (SELECT id FROM secret)',
  'WITH secret AS (SELECT 1 AS id) SELECT range AS id FROM range((SELECT id FROM secret), 2)',
  'WITH secret AS (SELECT 1 AS id) SELECT q.id FROM "air-ports", LATERAL (SELECT id FROM secret WHERE id = "air-ports".id) q',
  'WITH secret AS (SELECT 1 AS id) SELECT s.id FROM "air-ports" a JOIN secret s ON a.id = (SELECT max(id) FROM secret)',
  'WITH secret AS (SELECT 1 AS id) SELECT 1 AS id FROM "air-ports" GROUP BY id HAVING id = (SELECT id FROM secret)',
  'WITH secret AS (SELECT 1 AS id) SELECT x AS id FROM unnest([(SELECT id FROM secret)]) u(x)',
  'WITH secret AS (SELECT 1 AS id) VALUES ((SELECT id FROM secret))',
  'WITH secret AS (SELECT 1 AS id) SELECT id FROM "air-ports" ORDER BY (SELECT id FROM secret) LIMIT (SELECT id FROM secret)',
  'WITH secret AS (SELECT 1 AS id) SELECT sum((SELECT id FROM secret)) OVER () FROM "air-ports"',
  'WITH RECURSIVE secret(id) AS (SELECT 1 UNION SELECT id FROM secret WHERE id < 1) SELECT id FROM secret',
  'WITH RECURSIVE secret(id) AS (SELECT 1), b AS (SELECT id FROM secret) SELECT id FROM b',
  'WITH secret AS (SELECT 1 AS id) SELECT id FROM (WITH b AS (SELECT id FROM secret) SELECT id FROM b)',
]

test('a common table expression hides a table of its name', async t => {
  for (const sql of hiding) {
    await t.test(sql, async () => {
      const { text, tables } = await guardQuery(sql, visible)
      assert.ok(!tables.includes('secret'))
      assert.deepEqual(
        (await rows(text)).map(([id]) => Number(id)),
        [1],
      )
    })
  }
})

test('a name before its common table expression, or inside it, is a table', async () => {
  for (const sql of [
    'WITH secret AS (SELECT * FROM secret) SELECT * FROM secret',
    'WITH a AS (SELECT * FROM secret), secret AS (SELECT 1) SELECT * FROM a',
    'SELECT * FROM (WITH secret AS (SELECT 1) SELECT * FROM secret), secret',
    'WITH RECURSIVE secret AS (SELECT * FROM secret UNION SELECT 1 FROM secret) SELECT * FROM secret',
    'WITH RECURSIVE secret AS (SELECT * FROM secret) SELECT * FROM secret',
  ]) {
    await assert.rejects(guardQuery(sql, visible), error => isBlastyError(error, 'TABLE_NOT_FOUND'), sql)
  }
})

test('a table that is hidden and one that does not exist get the same answer', async () => {
  const answers = await Promise.all(
    ['secret', 'nothing'].map(name =>
      guardQuery(`SELECT * FROM ${name}`, visible).catch(error => String(error).replace(name, '…')),
    ),
  )
  assert.equal(answers[0], answers[1])
})

test('a refusal says where', async () => {
  await assert.rejects(
    guardQuery("SELECT 'é😀', getenv('HOME')", visible),
    /getenv\(\) is not allowed here, at position 14/,
  )
  await assert.rejects(guardQuery('SELECT 1 FORM films WHERE', visible), /at position \d+/)
})

test('a text judged for one caller is judged anew for another who may see less', async () => {
  const text = 'SELECT count(*) AS judged_twice FROM films'
  assert.deepEqual((await guardQuery(text, new Set(['films', 'people']))).tables, ['films'])
  assert.deepEqual((await guardQuery(text, new Set(['people', 'films']))).tables, ['films'])
  await assert.rejects(guardQuery(text, new Set(['people'])), { code: 'TABLE_NOT_FOUND' })
  assert.deepEqual((await guardQuery(text, new Set(['films']))).tables, ['films'])
})
