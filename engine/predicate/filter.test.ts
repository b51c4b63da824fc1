/** The search filter of a predicate finds, on the search server, exactly the rows for which the predicate is TRUE. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { testStack } from '../../devstack/testing.ts'
import fc, { runs } from '../../test/random.ts'
import type { Row } from '../schema/schema.ts'
import { row, testSchema } from './arbitrary.ts'
import { predicateText } from './arbitrary-predicate.ts'
import { type Predicate, parsePredicate, searchAttributes, toFilter, toSearchDocument, toTest } from './predicate.ts'

const names = testSchema.columns.map(column => column.name)
const long = 'x'.repeat(5_000)
const noRow: Row = Object.fromEntries(names.map(name => [name, null]))
const rows: readonly Row[] = [
  noRow,
  ...['', long, `${long}y`, `${'é'.repeat(99)}a`, 'é'.repeat(100), 'é'.repeat(101), 'Paris', ' paris ', 'PARIS'].map(
    s => ({ ...noRow, s }),
  ),
  ...fc.sample(row, { numRuns: 250, seed: 7 }),
]
const index = `predicate-${process.pid}`
let server: { readonly host: string; readonly key: string }

type Answer = {
  readonly taskUid?: number
  readonly status?: string
  readonly hits?: readonly { readonly id: number }[]
}

async function call(method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`${server.host}${path}`, {
    method,
    headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  assert.ok(response.ok, `${method} ${path} ${JSON.stringify(body)}: ${text}`)
  return text === '' ? {} : JSON.parse(text)
}

/** Runs a call that starts a task and waits until the server says that it succeeded. */
async function task(method: string, path: string, body?: unknown): Promise<void> {
  const { taskUid } = await call(method, path, body)
  for (;;) {
    const state = await call('GET', `/tasks/${taskUid}`)
    if (state.status === 'succeeded') return
    assert.match(String(state.status), /enqueued|processing/, JSON.stringify(state))
  }
}

async function found(filter: string): Promise<readonly number[]> {
  const { hits = [] } = await call('POST', `/indexes/${index}/search`, {
    filter,
    limit: 1_000,
    attributesToRetrieve: ['id'],
  })
  return hits.map(hit => hit.id).toSorted((a, b) => a - b)
}

function expected(predicate: Predicate): readonly number[] {
  const passes = toTest(predicate)
  return rows.flatMap((one, id) => (passes(one) ? [id] : []))
}

before(async () => {
  server = (await testStack('search')).search
  await task('POST', '/indexes', { uid: index, primaryKey: 'id' })
  await task('PATCH', `/indexes/${index}/settings`, { filterableAttributes: searchAttributes(testSchema, names) })
  const documents = rows.map((one, id) => ({ id, ...toSearchDocument(one, testSchema, names) }))
  await task('POST', `/indexes/${index}/documents`, [...documents, { id: 9_999 }])
})

after(() => task('DELETE', `/indexes/${index}`))

test('a filter finds the rows that the predicate selects, and never a document without the hidden attributes', async () => {
  const seen = { compared: 0, unsupported: 0 }
  await fc.assert(
    fc.asyncProperty(predicateText, async text => {
      const filter = await filterOf(text)
      if (filter === undefined) {
        seen.unsupported += 1
        return
      }
      assert.deepEqual(await found(filter.text), expected(filter.predicate), `${text}\n${filter.text}`)
      seen.compared += 1
    }),
    { numRuns: runs(300) },
  )
  assert.ok(seen.compared > seen.unsupported, JSON.stringify(seen))
})

async function filterOf(text: string): Promise<{ text: string; predicate: Predicate } | undefined> {
  try {
    const predicate = await parsePredicate(text, testSchema)
    return { text: toFilter(predicate), predicate }
  } catch (error) {
    if (isBlastyError(error, 'INVALID_PREDICATE', 'UNSUPPORTED')) return undefined
    throw error
  }
}

/** Each of these would be answered otherwise by the server's own comparison. */
const different: readonly string[] = [
  "s = 'Paris'",
  "s <> 'Paris'",
  "NOT s = 'Paris'",
  "s = ' paris '",
  "s = ''",
  "s <> ''",
  "s > ''",
  "s >= 'x'",
  `s > '${'x'.repeat(199)}'`,
  `s LIKE '${'x'.repeat(199)}%'`,
  `s NOT LIKE '${'x'.repeat(100)}%'`,
  `s = '${'é'.repeat(99)}a'`,
  `s < '${'é'.repeat(99)}b'`,
  "s LIKE '%'",
  "s NOT LIKE '%'",
  "s NOT IN ('a', 'Paris')",
  "s NOT IN ('a', NULL)",
  "s IN ('a', NULL)",
  's IS NULL',
  's IS NOT NULL',
  'NOT (s IS NULL OR b)',
  'l = 9007199254740993',
  'l <> 9007199254740993',
  'l > 9007199254740992',
  'l < -9007199254740992',
  'd = 0',
  'd < 0',
  "d = 'NaN'",
  "d > 'Infinity'",
  "d <= 'Infinity'",
  'b',
  'NOT b',
  'b <> true',
  'wide > 0.1',
  'wide < -0.1',
  'whole >= 99999999999999999999999999999999999999',
  'frac > 0.5',
  'n <> 0.001',
  'bin IS NULL',
  'true',
  'false',
  'NULL',
  'NOT true',
]

for (const text of different) {
  test(`a filter is exact: ${text.slice(0, 60)}`, async () => {
    const predicate = await parsePredicate(text, testSchema)
    assert.deepEqual(await found(toFilter(predicate)), expected(predicate), toFilter(predicate))
  })
}

for (const text of [
  "s LIKE '%a'",
  "s LIKE 'a_'",
  "s LIKE 'a%b'",
  's = s2',
  'l = n',
  'l > 1e30',
  `s = '${'x'.repeat(200)}'`,
  `s < '${'é'.repeat(100)}'`,
]) {
  test(`a filter cannot say ${text.slice(0, 40)}`, async () => {
    const predicate = await parsePredicate(text, testSchema)
    assert.throws(
      () => toFilter(predicate),
      error => isBlastyError(error, 'UNSUPPORTED'),
    )
  })
}
