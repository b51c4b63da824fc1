/** Statements that must not run, each refused with the right code while the process lives on. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { isBlastyError } from '../../base/errors.ts'
import { guardQuery } from './guard.ts'
import { harmless, hostile } from './hostile.ts'
import { lockdownStatements } from './lockdown.ts'
import { createMacros } from './macros.ts'

const visible: ReadonlySet<string> = new Set(['films'])

for (const [code, statements] of Object.entries(hostile)) {
  for (const sql of statements.split('\n').map(line => line.trim())) {
    if (sql === '') continue
    test(`${code}: ${sql}`, async () => {
      const outcome = await guardQuery(sql, visible).catch(error => error)
      assert.ok(isBlastyError(outcome), `accepted: ${JSON.stringify(outcome)}`)
      assert.equal(outcome.code, code, outcome.message)
    })
  }
}

const linesOf = (statements: string) =>
  statements
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')

test('there are more than five hundred of them, each once', () => {
  const all = [...Object.values(hostile), harmless].flatMap(linesOf)
  assert.equal(new Set(all).size, all.length)
  assert.ok(all.length > 500, `${all.length}`)
})

let connection: DuckDBConnection

before(async () => {
  connection = await (await DuckDBInstance.create(':memory:', { threads: '1', memory_limit: '256MB' })).connect()
  for (const statement of [
    "CREATE TABLE films AS SELECT 1 AS id, 'Alien' AS title, ['a'] AS tags, 7 AS _revision, now() AS _commit_time",
    "CREATE TABLE zebra_vault AS SELECT 'jewel-of-the-north' AS crown, 42 AS opals",
    "CREATE MACRO zebra_macro(opals) AS 'jewel-of-the-north'",
    createMacros,
    ...lockdownStatements,
  ]) {
    await connection.run(statement)
  }
})
after(() => connection.closeSync())

test('what is let through tells nothing of hidden tables, in rows, names or errors', async t => {
  for (const sql of linesOf(harmless)) {
    await t.test(sql, async () => {
      const { text, tables } = await guardQuery(sql, visible)
      assert.ok(!tables.includes('zebra_vault'))
      const told = await connection
        .runAndReadAll(text)
        .then(reader => JSON.stringify([reader.columnNames(), reader.getRowsJson()]))
        .catch(error => String(error).split('\n')[0] ?? '')
      assert.doesNotMatch(told, /jewel|opals|zebra_macro|_blasty_like/)
      for (const name of ['zebra_vault', 'crown']) assert.ok(!told.includes(name) || sql.includes(name), told)
    })
  }
})

const deep: Readonly<Record<string, string>> = {
  'no text': '',
  NUL: 'SELECT 1 \0; DROP TABLE films',
  'half a character': "SELECT '\ud800'",
  'too long': `SELECT 1 -- ${'x'.repeat(70_000)}`,
  'deep parentheses': `SELECT ${'('.repeat(30_000)}1${')'.repeat(30_000)}`,
  'deep NOT': `SELECT ${'NOT '.repeat(900)}true`,
  'deeper NOT': `SELECT ${'NOT '.repeat(15_000)}true`,
  'deep calls': `SELECT ${'abs('.repeat(950)}1${')'.repeat(950)}`,
  'deep subqueries': `SELECT ${'(SELECT '.repeat(300)}1${')'.repeat(300)}`,
  'deep lists': `SELECT ${'['.repeat(990)}1${']'.repeat(990)}`,
  'deep types': `SELECT NULL::INT${'[]'.repeat(990)}`,
  'deep structs': `SELECT NULL::${'STRUCT(a '.repeat(900)}INT${')'.repeat(900)}`,
  'many joins': `SELECT * FROM films${' CROSS JOIN films'.repeat(950)}`,
  'many sums': `SELECT ${'1+'.repeat(990)}1`,
}

for (const [name, sql] of Object.entries(deep)) {
  test(`INVALID_SQL: ${name}`, async () => {
    await assert.rejects(guardQuery(sql, visible), error => isBlastyError(error, 'INVALID_SQL'))
  })
}

test("TABLE_NOT_FOUND: a common table expression whose name only Unicode would fold to a hidden table's", async () => {
  const sql = 'WITH "to\u212aens" AS (SELECT 1) SELECT * FROM tokens'
  await assert.rejects(guardQuery(sql, visible), error => isBlastyError(error, 'TABLE_NOT_FOUND'))
})

test('the parser still answers after all of them', async () => {
  assert.equal((await guardQuery('SELECT 1', visible)).text, 'SELECT 1')
})

test('the parser refuses more waiting statements than its bound, and recovers', async () => {
  const outcomes = await Promise.allSettled(
    Array.from({ length: 1_200 }, (_, i) => guardQuery(`SELECT ${10_000 + i}`, visible)),
  )
  const refused = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason] : []))
  assert.equal(refused.length, 200)
  assert.ok(refused.every(error => isBlastyError(error, 'QUERY_LIMIT')))
  assert.equal((await guardQuery('SELECT 1', visible)).text, 'SELECT 1')
})
