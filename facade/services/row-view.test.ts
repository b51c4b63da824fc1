/** What a limited caller is shown: the same by key and by SQL, and nothing that depends on what is hidden from it. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { duckType, row, testSchema } from '../../engine/predicate/arbitrary.ts'
import { predicateText } from '../../engine/predicate/arbitrary-predicate.ts'
import { parsePredicate, toTest } from '../../engine/predicate/predicate.ts'
import { type ChangeBatch, StoredRow } from '../../engine/replica/change.ts'
import { ColumnTable } from '../../engine/replica/column-table.ts'
import type { SqlDatabase } from '../../engine/replica/sql-database.ts'
import { rowCodec } from '../../engine/schema/rows.ts'
import type { Row, TableSchema } from '../../engine/schema/schema.ts'
import { Schemas } from '../../engine/schema/schemas.ts'
import { SqlDatabases } from '../../engine/sql/databases.ts'
import { guardQuery } from '../../engine/sql/guard.ts'
import { type QueryPart, runQuery } from '../../engine/sql/query.ts'
import { quoteText } from '../../engine/sql/quote.ts'
import { filmSchema, patience, temporaryFolder } from '../../engine/testing.ts'
import fc, { runs } from '../../test/random.ts'
import { limitedView, type RowLimit, type RowView } from './row-view.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let databases: SqlDatabases

before(async () => {
  folder = await temporaryFolder()
  databases = new SqlDatabases(folder.path, { memory: '400MB', threads: 2 })
})
after(async () => {
  await databases.close()
  await folder.remove()
})

async function limit(schema: TableSchema, where: string | undefined, columns?: readonly string[]): Promise<RowLimit> {
  const predicate = where === undefined ? undefined : await parsePredicate(where, schema)
  return { predicate, test: predicate === undefined ? () => true : toTest(predicate), columns }
}

const visible = new Set(['films', 'twins'])

type Outcome = { readonly parts: readonly QueryPart[] } | { readonly code: string; readonly message: string }

/** What a statement answers, or how it fails. */
async function outcome(database: SqlDatabase, sql: string, view: RowView | undefined, plan = false): Promise<Outcome> {
  const parts: QueryPart[] = []
  try {
    const guarded = await guardQuery(sql, visible)
    const limited = view?.select === undefined ? [] : guarded.tables.map(name => [name, view.select] as const)
    const options = {
      database: async () => database,
      admit: async () => () => {},
      sql,
      guarded,
      views: new Map(limited.flatMap(([name, select]) => (select === undefined ? [] : [[name, select] as const]))),
      parameters: [],
      format: plan ? ('plan' as const) : ('columns' as const),
      maxRows: Number.POSITIVE_INFINITY,
      memory: databases.memory,
      visible,
      freshen: async () => {},
      timeoutMillis: 30_000,
      signal: patience(),
    }
    for await (const part of runQuery(options)) parts.push(part)
    return { parts }
  } catch (error) {
    if (!isBlastyError(error)) throw error
    return { code: error.code, message: error.message }
  }
}

const told = (value: unknown): string =>
  JSON.stringify(value, (_, inner) =>
    typeof inner === 'bigint' ? `${inner}n` : inner instanceof Map ? [...inner] : inner,
  )

const open = async (database: SqlDatabase, name: string) => {
  const schemas = new Schemas('t', filmSchema, async () => filmSchema)
  return ColumnTable.open(await database.connect(), { name, uid: 'u', epoch: 1 }, schemas)
}

function appended(revision: number, body: object): ChangeBatch {
  const stored = new StoredRow(revision, revision, Buffer.from(JSON.stringify(body)))
  const changes = [{ key: Buffer.from(String(revision)), old: undefined, new: stored }]
  return { revision, commitTime: revision, schema: 1, changes, bytes: 100 }
}

/** A namespace with the rows that the caller sees and, if given, those that it does not. */
async function namespace(name: string, hidden: readonly object[], masked: object): Promise<SqlDatabase> {
  const database = await databases.of(name)
  for (const table of ['films', 'twins']) {
    const columns = await open(database, table)
    let revision = 0
    const rows = Array.from({ length: 40 }, (_, i) => ({ id: `seen-${i}`, title: `${i}`, year: 1999, votes: `${i}` }))
    for (const one of rows) columns.stage(appended(++revision, { ...one, ...masked }))
    for (const one of hidden) columns.stage(appended(++revision, one))
    // Both namespaces end at one revision; the last row is seen in part only.
    columns.stage(appended(100, { id: 'last', title: 'last', flag: true, rating: 1.5, ...masked }))
    await columns.tick()
    columns.close()
  }
  return database
}

const secrets = /SECRET|987654|98\.76|hidden-/

/** Each of these must answer alike, whatever there is that the caller may not see. */
const statements = `
  SELECT * FROM films ORDER BY id
  SELECT count(*), count(title), max(year), min(_revision), max(_revision), max(_commit_time) FROM films
  SELECT * FROM FILMS ORDER BY ALL
  SELECT "id", "Title" FROM "Films" ORDER BY ALL
  SELECT films FROM films ORDER BY films.id
  SELECT f FROM films AS f ORDER BY f.id LIMIT 3
  SELECT COLUMNS('.*') FROM films ORDER BY id
  SELECT COLUMNS(c -> c NOT LIKE 'id') FROM films ORDER BY ALL
  SELECT * EXCLUDE (id) REPLACE (upper(title) AS title) FROM films ORDER BY ALL
  SELECT gross FROM films
  SELECT films.gross FROM films
  SELECT f.gross FROM films f
  SELECT extra FROM films
  SELECT rating FROM films ORDER BY ALL
  SELECT id FROM films WHERE gross IS NOT NULL
  SELECT id FROM films WHERE year = 2001
  SELECT id FROM films WHERE title LIKE '%SECRET%'
  SELECT id FROM films ORDER BY gross
  SELECT CAST(title AS INTEGER) FROM films
  SELECT CAST(title AS INTEGER) FROM films WHERE id LIKE 'hidden%'
  SELECT id FROM films WHERE CAST(title AS INTEGER) = 1
  SELECT id FROM films WHERE id LIKE 'hidden%' AND CAST(title AS INTEGER) > 0
  SELECT id FROM films WHERE CASE WHEN year = 2001 THEN CAST(title AS INTEGER) ELSE 1 END = 1 ORDER BY id
  SELECT title::DATE FROM films
  SELECT strptime(title, '%Y-%m-%d') FROM films WHERE year > 2000
  SELECT sum(votes) FROM films
  SELECT sum(votes * 9223372036854775807) FROM films
  SELECT votes * 9223372036854775807 FROM films
  SELECT exp(votes) FROM films ORDER BY ALL
  SELECT id FROM films WHERE votes * 4611686018427387904 > 0
  SELECT list_extract([title], year) FROM films ORDER BY ALL
  SELECT (SELECT title FROM films)
  SELECT (SELECT max(title) FROM films)
  SELECT * FROM (SELECT * FROM films) ORDER BY ALL
  SELECT * FROM (SELECT * FROM (SELECT id, title FROM films WHERE year > 0)) ORDER BY ALL
  WITH films AS (SELECT 1 AS gross) SELECT gross FROM films
  WITH a AS (SELECT * FROM films) SELECT * FROM a ORDER BY ALL
  WITH a AS MATERIALIZED (SELECT * FROM films) SELECT count(*) FROM a
  WITH a AS NOT MATERIALIZED (SELECT * FROM films) SELECT gross FROM a
  WITH RECURSIVE a AS (SELECT id, 1 AS n FROM films UNION SELECT id, n + 1 FROM a WHERE n < 3) SELECT * FROM a ORDER BY ALL
  SELECT * FROM films a, LATERAL (SELECT b.title AS t FROM films b WHERE b.id = a.id) ORDER BY ALL
  SELECT * FROM films a, LATERAL (SELECT b.gross FROM films b WHERE b.id = a.id)
  SELECT a.id, b.id FROM films a JOIN twins b USING (id) ORDER BY ALL
  SELECT a.id FROM films a NATURAL JOIN twins b ORDER BY ALL
  SELECT count(*) FROM films a FULL JOIN twins b ON a.id = b.id
  SELECT count(*) FROM films a ANTI JOIN twins b ON a.id = b.id
  SELECT count(*) FROM films a ASOF JOIN twins b ON a.id >= b.id
  SELECT id FROM films WHERE EXISTS (SELECT 1 FROM twins WHERE year = 2001)
  SELECT id FROM films WHERE id IN (SELECT id FROM twins WHERE title LIKE 'SECRET%')
  SELECT id FROM films WHERE year > ALL (SELECT year FROM twins WHERE year IS NOT NULL)
  SELECT id FROM films UNION ALL SELECT id FROM twins ORDER BY ALL
  SELECT id FROM films EXCEPT SELECT id FROM twins
  SELECT id, title FROM films UNION BY NAME SELECT id, year FROM twins ORDER BY ALL
  TABLE films
  FROM films ORDER BY id LIMIT 5
  SELECT x, y FROM films AS f(x, y) ORDER BY ALL
  SELECT year, count(*) FROM films GROUP BY ALL ORDER BY ALL
  SELECT year, count(*) FROM films GROUP BY ROLLUP (year) ORDER BY ALL
  SELECT id, row_number() OVER (ORDER BY id), lag(title) OVER (ORDER BY id) FROM films ORDER BY id
  SELECT id FROM films QUALIFY row_number() OVER (ORDER BY id DESC) = 1
  SELECT string_agg(title, ',' ORDER BY id), array_agg(id ORDER BY id) FROM films
  SELECT approx_count_distinct(id), mode(year), arg_max(title, year) FROM films
  SELECT histogram(year) FROM films
  SELECT id FROM films ORDER BY id OFFSET 39
  SELECT to_json(films) FROM films ORDER BY id
  SELECT row_to_json(films) FROM films ORDER BY id
  SELECT struct_pack(id, title) FROM films ORDER BY id
  SELECT unnest(films) FROM films
  SELECT trend_slope(_commit_time, year) FROM films
  SELECT main.films.id FROM films
  SELECT columns.main.films.id FROM films
  SELECT temp.films.id FROM films ORDER BY ALL
  SELECT * FROM main.films
  SELECT * FROM columns.main.films
  SELECT * FROM temp.films
  SELECT rowid FROM films
  SELECT error(title) FROM films
  SELECT stats(title) FROM films
  SELECT * FROM query_table('films')
  SELECT * FROM duckdb_tables()
  SELECT * FROM sqlite_temp_master
  DESCRIBE films
  SUMMARIZE films
  SELECT "a"."title" FROM (VALUES (1)) AS "a"
  SELECT CASE WHEN count(*) > 41 THEN CAST('no' AS INTEGER) END FROM films
`
  .trim()
  .split('\n')
  .map(line => line.trim())

test('nothing that a limited caller asks tells whether there is more', async t => {
  const secret = { title: 'SECRET', gross: '987654.32', extra: { SECRET: true }, tags: ['SECRET'], rating: 98.7654 }
  const hidden = [
    ...Array.from({ length: 30 }, (_, i) => ({
      ...secret,
      id: `hidden-${i}`,
      year: 2001,
      votes: '9223372036854775807',
    })),
    { ...secret, id: 'hidden-null' },
    { ...secret, id: 'seen-00', year: 0, title: 'SECRET' },
  ]
  const full = await namespace('full', hidden, { gross: '987654.32', extra: { SECRET: 1 }, tags: ['SECRET'] })
  const bare = await namespace('bare', [], {})
  const view = limitedView(filmSchema, [
    await limit(filmSchema, 'year = 1999', ['title', 'year', 'votes']),
    await limit(filmSchema, 'flag', ['title']),
  ])
  let answered = 0
  for (const statement of statements) {
    for (const plan of [false, true]) {
      const [one, other] = [await outcome(full, statement, view, plan), await outcome(bare, statement, view, plan)]
      assert.equal(told(one), told(other), statement)
      if (!secrets.test(statement)) assert.doesNotMatch(told(one), secrets, statement)
      if (!plan && 'parts' in one) answered++
    }
  }
  t.diagnostic(`${answered} of ${statements.length} statements are answered`)
  assert.ok(answered > statements.length / 2)
  // The test can fail: without the view the answers differ.
  assert.notEqual(
    told(await outcome(full, statements[0] ?? '', undefined)),
    told(await outcome(bare, statements[0] ?? '', undefined)),
  )
})

test('an error on a value names no value', async () => {
  const database = await namespace('values', [], {})
  const view = limitedView(filmSchema, [await limit(filmSchema, undefined, ['title'])])
  const failed = await outcome(database, 'SELECT CAST(title AS INTEGER) FROM films', view)
  assert.deepEqual(failed, {
    code: 'QUERY_FAILED',
    message: 'the query failed: Conversion Error: on which value is not told, since a policy limits what you may read',
  })
  const unknown = await outcome(database, 'SELECT titel FROM films', view)
  assert.ok('message' in unknown && unknown.message.includes('"titel" not found'))
})

test('rows and columns are shown by key as they are by SQL, whatever the limits', async () => {
  const database = await databases.of('random')
  const connection = await database.connect()
  const schema: TableSchema = { ...testSchema, primaryKey: [] }
  const codec = rowCodec(schema, 't')
  const columns = schema.columns.map(({ name }) => name)
  const declared = schema.columns.map(column => `${column.name} ${duckType(column)}`)
  await connection.run(`CREATE TABLE films (${declared.join(', ')}, _revision BIGINT, _commit_time TIMESTAMPTZ)`)
  const fill = async (rows: readonly Row[]) => {
    const values = rows.map((one, number) => {
      const cells = schema.columns.map(column => {
        const value = one[column.name]
        if (value === null || value === undefined) return 'NULL'
        const source = column.type === 'Bytes' ? `from_base64('${value}')` : quoteText(String(value))
        return `CAST(${source} AS ${duckType(column)})`
      })
      return `(${cells.join(', ')}, ${number}, NULL)`
    })
    await connection.run(`DELETE FROM films; INSERT INTO films VALUES ${values.join(', ')}`)
  }
  const limits = fc.array(
    fc.record({
      where: fc.option(predicateText, { nil: undefined, freq: 6 }),
      columns: fc.option(fc.subarray(columns), { nil: undefined, freq: 3 }),
    }),
    { minLength: 1, maxLength: 3 },
  )
  let shown = 0
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 8, maxLength: 8 }), limits, async (rows, texts) => {
      const compiled = await Promise.all(texts.map(one => limit(schema, one.where, one.columns).catch(() => undefined)))
      const fitting = compiled.filter(one => one !== undefined)
      if (fitting.length === 0) return
      const view = limitedView(schema, fitting)
      await fill(rows)
      const reader = await connection.runAndReadAll(view.select?.('films', undefined) ?? '')
      const names = reader.columnNames()
      const bySql = new Map(
        reader.getRows().map(values => {
          const known = names.filter((name, at) => columns.includes(name) && values[at] !== null)
          return [Number(values[names.indexOf('_revision')]), known]
        }),
      )
      const byKey = new Map(
        rows.flatMap((one, number) => {
          const seen = view.see(new StoredRow(number, 0, Buffer.from(JSON.stringify(one))), codec)
          const known = seen && codec.decode(seen.body)
          return known === undefined ? [] : [[number, columns.filter(name => known[name] !== null)] as const]
        }),
      )
      assert.deepEqual(new Map([...bySql].sort(([a], [b]) => a - b)), byKey)
      shown += byKey.size
    }),
    { numRuns: runs(100) },
  )
  assert.ok(shown > 50, `${shown} rows were shown`)
  connection.closeSync()
})
