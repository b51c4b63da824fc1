/** Queries over real columns: what they return, what stops them, and what they see while rows are merged. */

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { blobValue, type DuckDBConnection, DuckDBDateValue } from '@duckdb/node-api'
import { tableFromIPC } from 'apache-arrow'
import { isBlastyError } from '../../base/errors.ts'
import { type ChangeBatch, StoredRow } from '../replica/change.ts'
import { ColumnTable } from '../replica/column-table.ts'
import type { SqlDatabase } from '../replica/sql-database.ts'
import { Schemas } from '../schema/schemas.ts'
import { filmSchema, patience, temporaryFolder } from '../testing.ts'
import { Admission } from './admission.ts'
import { SqlDatabases } from './databases.ts'
import { MemoryWatch } from './memory-watch.ts'
import { type QueryOptions, type QueryPart, runQuery } from './query.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let databases: SqlDatabases
let sql: SqlDatabase
let films: ColumnTable
let twins: ColumnTable

const open = async (name: string) =>
  ColumnTable.open(
    await sql.connect(),
    { name, uid: 'u', epoch: 1 },
    new Schemas('t', filmSchema, async () => filmSchema),
  )

/** One change of row `id`, as revision `revision`. */
const batch = (revision: number, id: string, rest: object, old?: StoredRow): [ChangeBatch, StoredRow] => {
  const next = new StoredRow(revision, revision, Buffer.from(JSON.stringify({ id, ...rest })))
  const changes = [{ key: Buffer.from(id), old, new: next }]
  return [{ revision, commitTime: revision, schema: 1, changes, bytes: 100 }, next]
}

before(async () => {
  folder = await temporaryFolder()
  databases = new SqlDatabases(folder.path, { memory: '200MB', threads: 2 })
  sql = await databases.of('test')
  films = await open('films')
  twins = await open('twins')
  films.stage(batch(1, 'a', { year: 1999, title: 'Ä💡', votes: '9223372036854775807', gross: '12.50', raw: 'AP8=' })[0])
  films.stage(batch(2, 'b', { year: -1, flag: true, rating: 'NaN', place: { lat: 1, lon: 2 }, tags: ['x', ''] })[0])
  await films.tick()
})
after(async () => {
  films.close()
  twins.close()
  await databases.close()
  await folder.remove()
})

const options = (rest: Partial<QueryOptions> & { sql: string }): QueryOptions => ({
  database: async () => sql,
  admit: async () => () => {},
  parameters: [],
  format: 'columns',
  maxRows: Number.POSITIVE_INFINITY,
  memory: databases.memory,
  visible: new Set(['films', 'twins']),
  freshen: async () => {},
  timeoutMillis: 30_000,
  signal: patience(),
  ...rest,
})

async function partsOf(rest: Partial<QueryOptions> & { sql: string }): Promise<QueryPart[]> {
  const parts: QueryPart[] = []
  for await (const part of runQuery(options(rest))) parts.push(part)
  return parts
}

/** The rows of a result as plain values, with null where a bit says so. */
async function valuesOf(rest: Partial<QueryOptions> & { sql: string }): Promise<unknown[][]> {
  return (await partsOf(rest)).flatMap(part => {
    if (part.kind !== 'rows') return []
    return Array.from({ length: part.count }, (_, row) =>
      part.columns.map(({ nulls, values }) => {
        const isNull = (((nulls[row >> 3] ?? 0) >> (row & 7)) & 1) === 1
        const value: unknown = values.at(row)
        if (isNull) return null
        return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
      }),
    )
  })
}

const refused = (query: string, code: Parameters<typeof isBlastyError>[1]) =>
  assert.rejects(partsOf({ sql: query }), error => isBlastyError(error, code), query)

test('every type comes back as it is in DuckDB', async () => {
  const cases: readonly [expression: string, type: string, value: unknown][] = [
    ['true', 'Boolean', true],
    ['(-128)::TINYINT', 'Int32', -128],
    ['65535::USMALLINT', 'Int32', 65_535],
    ['(-2147483648)::INTEGER', 'Int32', -2_147_483_648],
    ['4294967295::UINTEGER', 'Int64', 4_294_967_295n],
    ['9223372036854775807::BIGINT', 'Int64', 9_223_372_036_854_775_807n],
    ['18446744073709551615::UBIGINT', 'Decimal', '18446744073709551615'],
    ['170141183460469231731687303715884105727::HUGEINT', 'Decimal', '170141183460469231731687303715884105727'],
    ['1.5::FLOAT', 'Double', 1.5],
    ["'NaN'::DOUBLE", 'Double', Number.NaN],
    ["'-Infinity'::DOUBLE", 'Double', Number.NEGATIVE_INFINITY],
    ['-0.05::DECIMAL(5, 2)', 'Decimal', '-0.05'],
    ["'Ä💡'", 'String', 'Ä💡'],
    ["'550E8400-e29b-41d4-a716-446655440000'::UUID", 'UUID', '550e8400-e29b-41d4-a716-446655440000'],
    ["from_base64('AP8=')", 'Bytes', '00ff'],
    ["DATE '1969-12-31'", 'Date', -1],
    ["TIMESTAMPTZ '1969-12-31 23:59:59.999999Z'", 'Timestamp', -1n],
    ["TIMESTAMP '2026-01-31 00:00:00.000001'", 'Timestamp', 1_769_817_600_000_001n],
    ["'1970-01-01 00:00:01'::TIMESTAMP_S", 'Timestamp', 1_000_000n],
    ["'1970-01-01 00:00:01.001'::TIMESTAMP_MS", 'Timestamp', 1_001_000n],
    ["'1970-01-01 00:00:00.000001'::TIMESTAMP_NS", 'Timestamp', 1n],
    ['[1, NULL]', 'JSON', '[1,null]'],
    ["{'a': 'x', 'b': [true]}", 'JSON', '{"a":"x","b":[true]}'],
    ['NULL', 'Int32', null],
  ]
  for (const [expression, type, value] of cases) {
    const [header, rows] = await partsOf({ sql: `SELECT ${expression} AS v FROM films LIMIT 1` })
    assert.ok(header?.kind === 'columns' && rows?.kind === 'rows', expression)
    assert.equal(header.columns[0]?.type, type, expression)
    assert.deepEqual(await valuesOf({ sql: `SELECT ${expression} AS v FROM films LIMIT 1` }), [[value]], expression)
  }
  assert.deepEqual(
    await valuesOf({ sql: 'SELECT id, title, votes, gross, raw, flag, rating, tags, place FROM films ORDER BY id' }),
    [
      ['a', 'Ä💡', 9_223_372_036_854_775_807n, '12.50', '00ff', null, null, null, null],
      ['b', null, null, null, null, true, Number.NaN, '["x",""]', '{"lat":1,"lon":2}'],
    ],
  )
})

test('parameters are values, by place or by name, and neither too few nor too many', async () => {
  const injected = "'; DROP TABLE films; --"
  assert.deepEqual(
    await valuesOf({ sql: 'SELECT $1 AS v, id FROM films WHERE year = $2', parameters: [injected, -1] }),
    [[injected, 'b']],
  )
  assert.deepEqual(
    await valuesOf({ sql: 'SELECT id FROM films WHERE year > $least ORDER BY 1', parameters: { least: -5n } }),
    [['a'], ['b']],
  )
  assert.deepEqual(
    await valuesOf({
      sql: 'SELECT id FROM films WHERE raw = $1 AND released IS NOT DISTINCT FROM $2',
      parameters: [blobValue(new Uint8Array([0, 255])), null],
    }),
    [['a']],
  )
  assert.deepEqual(await valuesOf({ sql: 'SELECT $1::DATE AS d', parameters: [new DuckDBDateValue(-1)] }), [[-1]])
  const bad = (error: unknown) => isBlastyError(error, 'INVALID_ARGUMENT')
  await assert.rejects(partsOf({ sql: 'SELECT $1 FROM films' }), bad)
  await assert.rejects(partsOf({ sql: 'SELECT $1 FROM films', parameters: [1, 2] }), bad)
  await assert.rejects(partsOf({ sql: 'SELECT $a FROM films', parameters: { b: 1 } }), bad)
})

test('no way of writing it reaches a table the caller may not see, or one of the platform', async () => {
  const queries = [
    'SELECT * FROM secrets',
    'SELECT * FROM "SECRETS"',
    'SELECT * FROM _blasty_positions',
    'FROM "_Blasty_Positions"',
    'WITH films AS (SELECT * FROM secrets) SELECT * FROM films',
    'WITH secrets AS (SELECT * FROM secrets) SELECT * FROM secrets',
    'SELECT (SELECT max(_revision) FROM secrets) FROM films',
    'SELECT * FROM films WHERE EXISTS (SELECT 1 FROM _blasty_positions)',
    'SELECT * FROM films JOIN LATERAL (SELECT * FROM secrets) ON true',
    'SELECT * FROM films UNION ALL SELECT * FROM secrets',
  ]
  for (const query of queries) await refused(query, 'TABLE_NOT_FOUND')
  for (const query of [
    'SELECT * FROM main._blasty_positions',
    'SELECT * FROM test.main.films',
    'SELECT * FROM temp._blasty_staged',
  ]) {
    await refused(query, 'INVALID_SQL')
  }
  assert.deepEqual(
    await valuesOf({ sql: 'WITH _blasty_positions AS (SELECT 1 AS n) SELECT * FROM _blasty_positions' }),
    [[1]],
  )
})

test('a name that is no namespace opens no file', async () => {
  for (const name of ['../up', 'a/b', '', 'A', 'a.b', '.', 'x'.repeat(64), 'a\0b']) {
    await assert.rejects(databases.of(name), error => isBlastyError(error, 'INVALID_ARGUMENT'), name)
  }
  assert.deepEqual(
    readdirSync(folder.path).filter(name => name.endsWith('.duckdb')),
    ['test.duckdb'],
  )
})

const endless = 'SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range + b.range = -1'

test('a query that takes too long, or whose client leaves, is interrupted', async () => {
  await assert.rejects(partsOf({ sql: endless, timeoutMillis: 100 }), error => isBlastyError(error, 'QUERY_LIMIT'))
  const stop = new AbortController()
  const reason = new Error('the client left')
  const running = partsOf({ sql: endless, signal: stop.signal })
  setTimeout(() => stop.abort(reason), 100)
  await assert.rejects(running, reason)
})

test('a query that needs more memory than there is ends with QUERY_LIMIT, and the next one runs', async () => {
  // Arrays are not spilt to disk: a list of everything must fit.
  const large = 'SELECT len(list(repeat(CAST(range AS VARCHAR), 50))) FROM range(20000000)'
  await assert.rejects(partsOf({ sql: large }), error => isBlastyError(error, 'QUERY_LIMIT'))
  assert.deepEqual(await valuesOf({ sql: 'SELECT count(*) FROM films' }), [[2n]])
})

test('an error of the statement is told, and nothing of the machine with it', async () => {
  await assert.rejects(partsOf({ sql: 'SELECT CAST(id AS INTEGER) FROM films' }), error => {
    assert.ok(isBlastyError(error, 'QUERY_FAILED'))
    assert.match(error.message, /Could not convert string 'a' to INT32/)
    return !error.message.includes(folder.path)
  })
  await refused('SELECT nothing FROM films', 'QUERY_FAILED')
})

test('a client that does not read holds neither a turn nor a connection past the time of its query', async () => {
  const admission = new Admission({ running: 1, waiting: 0 })
  let closed = 0
  const counted: SqlDatabase = {
    ...sql,
    close: async () => {},
    merged: async () => {},
    connect: () => sql.connect(),
    read: async () => {
      const { connection, revisions } = await sql.read()
      const watched: DuckDBConnection = new Proxy(connection, {
        get(target, name) {
          if (name === 'closeSync') closed++
          const value: unknown = Reflect.get(target, name, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
      return { connection: watched, revisions }
    },
  }
  const admit = (signal: AbortSignal) => admission.enter(signal)
  const query = { sql: 'SELECT * FROM range(1000000)', database: async () => counted, admit }
  const slow = runQuery(options({ ...query, timeoutMillis: 500 }))
  await slow.next()
  await slow.next()
  await assert.rejects(partsOf(query), error => isBlastyError(error, 'QUERY_LIMIT'))
  const { signal } = new AbortController()
  // The turn comes back although the slow client never asks for more.
  let leave: (() => void) | undefined
  for (const until = performance.now() + 20_000; leave === undefined && performance.now() < until; ) {
    await new Promise(resolve => setTimeout(resolve, 10))
    leave = await admission.enter(signal).catch(() => undefined)
  }
  assert.ok(leave)
  assert.equal(closed, 1)
  leave()
  await assert.rejects(slow.next(), error => isBlastyError(error, 'QUERY_LIMIT'))
})

test('one who goes before the end gives its turn back', async () => {
  const admission = new Admission({ running: 1, waiting: 0 })
  for (let i = 0; i < 3; i++) {
    for await (const part of runQuery(
      options({ sql: 'SELECT * FROM films', admit: signal => admission.enter(signal) }),
    )) {
      if (part.kind === 'columns') break
    }
  }
  const leave = await admission.enter(patience())
  leave()
})

test('rows too large for one message come in several', async () => {
  const parts = await partsOf({
    sql: "SELECT (SELECT string_agg(repeat('x', 10000), '') FROM range(10)) AS v FROM range(100)",
  })
  const rows = parts.flatMap(part => (part.kind === 'rows' ? [part.count] : []))
  assert.equal(
    rows.reduce((sum, count) => sum + count, 0),
    100,
  )
  assert.ok(Math.max(...rows) <= 11, `${rows}`)
})

test('rows of very many columns come in several messages too', async () => {
  for (const value of ['range', 'range::DECIMAL(18, 0)']) {
    const columns = Array.from({ length: 1000 }, (_, index) => `${value} AS c${index}`)
    const parts = await partsOf({ sql: `SELECT ${columns.join(', ')} FROM range(1500)` })
    const rows = parts.flatMap(part => (part.kind === 'rows' ? [part.count] : []))
    assert.equal(
      rows.reduce((sum, count) => sum + count, 0),
      1500,
    )
    // A value takes up to ten bytes.
    assert.ok(Math.max(...rows) <= (1024 * 1024) / 1000 / 6, `${rows}`)
  }
})

test('queries see both sides of a join at the moment they are told, while both are merged', async () => {
  const count = 40
  let old: [StoredRow | undefined, StoredRow | undefined] = [undefined, undefined]
  const writing = (async () => {
    for (let revision = 3; revision < count; revision++) {
      // First the one and then the other: whoever looks between sees the one ahead by one.
      const [film, one] = batch(revision, 'same', { year: revision }, old[0])
      const [twin, other] = batch(revision, 'same', { year: revision }, old[1])
      old = [one, other]
      films.stage(film)
      await films.tick()
      twins.stage(twin)
      await twins.tick()
    }
  })()
  let looked = 0
  const looking = async () => {
    for (let last = 0; last < count - 1; looked++) {
      const parts = await partsOf({
        sql: `SELECT f.year, f._revision, t.year, t._revision FROM films f LEFT JOIN twins t ON t.id = f.id WHERE f.id = 'same'`,
      })
      const end = parts.at(-1)
      const rows = parts.flatMap(part => (part.kind === 'rows' ? [part] : []))
      assert.ok(end?.kind === 'end')
      const told = [end.revisions.get('films') ?? 0, end.revisions.get('twins') ?? 0]
      const [ahead = 0, behind = 0] = told
      assert.ok(ahead === behind || ahead === behind + 1 || behind === 0, `${told}`)
      if (ahead > 2) {
        assert.equal(rows.length, 1)
        const [year, revision, twinYear, twinRevision] =
          rows[0]?.columns.map(({ values }) => Number(values.at(0))) ?? []
        assert.deepEqual([year, revision], [ahead, ahead])
        assert.deepEqual([twinYear, twinRevision], behind > 2 ? [behind, behind] : [0, 0])
      }
      last = behind
    }
  }
  await Promise.all([writing, looking(), looking(), looking()])
  assert.ok(looked > 3)
})

test('no more rows come than were asked for, and whether there were more is told', async () => {
  for (const [maxRows, rows, truncated] of [
    [1, 1, true],
    [2048, 2048, true],
    [2049, 2049, true],
    [5000, 5000, false],
    [5001, 5000, false],
  ] as const) {
    const end = (await partsOf({ sql: 'SELECT range FROM range(5000)', maxRows })).at(-1)
    assert.ok(end?.kind === 'end')
    assert.deepEqual([end.rows, end.truncated], [rows, truncated], `${maxRows}`)
  }
  assert.deepEqual((await valuesOf({ sql: 'SELECT range FROM range(5000)', maxRows: 3 })).flat(), [0n, 1n, 2n])
})

test('the plan of a statement names its tables and runs nothing', async () => {
  const rows = await valuesOf({
    sql: 'SELECT year, count(*) FROM films WHERE year > $1 GROUP BY year',
    parameters: [1990],
    format: 'plan',
  })
  const plan = rows.flat().join('\n')
  assert.match(plan, /films/)
  assert.match(plan, /GROUP_BY/)
  assert.ok(!plan.includes(folder.path))
  assert.match((await valuesOf({ sql: endless, format: 'plan' })).flat().join('\n'), /RANGE/)
  await assert.rejects(partsOf({ sql: 'SELECT * FROM secrets', format: 'plan' }), error =>
    isBlastyError(error, 'TABLE_NOT_FOUND'),
  )
  await assert.rejects(partsOf({ sql: 'ANALYZE SELECT 1', format: 'plan' }), error =>
    isBlastyError(error, 'INVALID_SQL'),
  )
})

async function arrowTable(sql: string) {
  const parts = await partsOf({ sql, format: 'arrow' })
  assert.equal(parts[0]?.kind, 'columns')
  const table = tableFromIPC(Buffer.concat(parts.flatMap(part => (part.kind === 'arrow' ? [part.bytes] : []))))
  const end = parts.at(-1)
  assert.ok(end?.kind === 'end')
  assert.equal(table.numRows, end.rows)
  assert.equal(
    parts.reduce((sum, part) => sum + (part.kind === 'arrow' ? part.count : 0), 0),
    end.rows,
  )
  return table
}

test('a result as an Arrow stream keeps types, nesting and nulls', async () => {
  const table = await arrowTable(`
    SELECT range::INTEGER AS i, CASE WHEN range % 2 = 0 THEN range END AS b, (range - 1)::DECIMAL(18, 2) AS d, 18446744073709551615::UBIGINT AS u,
      range % 3 = 0 AS t, 'Ä💡' AS s, from_base64('AP8=') AS r, DATE '1969-12-31' AS day, TIMESTAMPTZ '2026-01-31 00:00:00.000001Z' AS at,
      [1, NULL, range::INTEGER] AS l, {'a': range, 'b': ['x', NULL]} AS st, map {'k': 1.5} AS m, NULL::STRUCT(x INT) AS none, []::INT[] AS e,
      'NaN'::DOUBLE AS nan, '{"x": 1}'::JSON AS j, [1, 2]::INT[2] AS pair
    FROM range(5000)`)
  const types = Object.fromEntries(table.schema.fields.map(({ name, type }) => [name, String(type)]))
  assert.deepEqual(types, {
    i: 'Int32',
    b: 'Int64',
    d: 'Decimal[18e+2]',
    u: 'Uint64',
    t: 'Bool',
    s: 'Utf8',
    r: 'Binary',
    day: 'Date32<DAY>',
    at: 'Timestamp<MICROSECOND, UTC>',
    l: 'List<Int32>',
    st: 'Struct<{a:Int64, b:List<Utf8>}>',
    m: 'Map<{key:Utf8, value:Decimal[2e+1]}>',
    none: 'Struct<{x:Int32}>',
    e: 'List<Int32>',
    nan: 'Float64',
    j: 'Utf8',
    pair: 'FixedSizeList[2]<Int32>',
  })
  const seen = new Set<number>()
  for (const row of table) {
    const i = Number(row.i)
    seen.add(i)
    assert.equal(row.b, i % 2 === 0 ? BigInt(i) : null)
    assert.equal(row.t, i % 3 === 0)
    const [low, high] = new BigInt64Array(Uint8Array.from(new Uint8Array(row.d.buffer, row.d.byteOffset, 16)).buffer)
    assert.deepEqual([low, high], [BigInt(i - 1) * 100n, i === 0 ? -1n : 0n])
    assert.deepEqual([...row.l], [1, null, i])
    assert.equal(row.st.a, BigInt(i))
    assert.deepEqual([...row.st.b], ['x', null])
    assert.deepEqual(
      [row.s, row.u, row.none, row.e.length, row.j],
      ['Ä💡', 18_446_744_073_709_551_615n, null, 0, '{"x": 1}'],
    )
  }
  assert.equal(seen.size, 5000)
})

test('an empty result and large values are Arrow streams too', async () => {
  const empty = await arrowTable('SELECT id, tags, place FROM films WHERE false')
  assert.deepEqual(
    empty.schema.fields.map(({ name }) => name),
    ['id', 'tags', 'place'],
  )
  const large = await arrowTable(
    "SELECT range AS n, (SELECT string_agg(repeat('x', 10000), '') FROM range(30)) AS v FROM range(50)",
  )
  assert.deepEqual(
    [...large].map(({ n, v }) => [n, v.length]),
    Array.from({ length: 50 }, (_, n) => [BigInt(n), 300_000]),
  )
})

test('a statement under which the process grows too much ends with QUERY_LIMIT', async () => {
  const memory = new MemoryWatch({
    maxGrowth: 1,
    resident: (() => {
      let bytes = 0
      return () => bytes++ * 10
    })(),
  })
  await assert.rejects(
    partsOf({ sql: endless, memory }),
    error => isBlastyError(error, 'QUERY_LIMIT') && /memory/.test(error.message),
  )
  assert.deepEqual(await valuesOf({ sql: 'SELECT 1 AS n' }), [[1]])
})

test('functions of ours are there, and those of DuckDB that make too much are bounded, also in a file that was there before', async () => {
  const again = new SqlDatabases(folder.path, { memory: '200MB', threads: 1 })
  for (let opened = 0; opened < 2; opened++) {
    const database = await again.of('functions')
    const ask = (query: string) => valuesOf({ sql: query, database: async () => database })
    assert.deepEqual(await ask("SELECT line_ip('from 10.0.0.1:80'), exp_smoothing([1, 3], 0.5)"), [['10.0.0.1', 2]])
    assert.deepEqual(await ask("SELECT 'abc' LIKE concat('%a', '%b', '%'), repeat('ab', 2)"), [[true, 'abab']])
    await assert.rejects(ask("SELECT repeat('x', 10001)"), error => isBlastyError(error, 'QUERY_FAILED'))
    await again.close()
  }
})
