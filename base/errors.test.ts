/** Holds the catalogue and `docs/errors.md` together. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { BlastyError, catalogue, isBlastyError } from './errors.ts'

type Documented = {
  readonly status: string
  readonly http: string
  readonly retry: string
  readonly meaning: string
  readonly advice: string
}

/** The rows of every table, by code; each code once. */
function documented(): Map<string, Documented> {
  const text = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8')
  const rows = new Map<string, Documented>()
  for (const line of text.split('\n')) {
    if (!line.startsWith('| `')) continue
    const [code = '', status = '', http = '', retry = '', meaning = '', advice = ''] = line
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim().replaceAll('`', ''))
    assert.ok(!rows.has(code), `${code} is documented twice`)
    rows.set(code, { status, http, retry, meaning, advice })
  }
  return rows
}

test('every code is documented, and no other', () => {
  assert.deepEqual([...documented().keys()].sort(), Object.keys(catalogue).sort())
})

test('status, HTTP status and retry are documented as they are', () => {
  const rows = documented()
  for (const [code, { status, http, retryable }] of Object.entries(catalogue)) {
    const row = rows.get(code)
    const stated = { status: row?.status, http: row?.http, retry: row?.retry }
    assert.deepEqual(stated, { status, http: String(http), retry: retryable ? 'yes' : 'no' }, code)
  }
})

test('every code has a meaning and an advice', () => {
  for (const [code, { meaning, advice }] of documented()) {
    assert.match(meaning, /^\S.{8,}\.$/, code)
    assert.match(advice, /^\S.{6,}\.$/, code)
  }
})

test('an error tells its code, its message with the details filled in, and its cause', () => {
  const cause = new Error('no answer')
  const error = new BlastyError('KEY_TOO_LONG', { bytes: 2000, limit: 1024 }, { cause })
  assert.equal(isBlastyError(error, 'KEY_TOO_LONG', 'ROW_TOO_LARGE'), true)
  assert.equal(isBlastyError(error, 'ROW_TOO_LARGE'), false)
  assert.equal(isBlastyError(cause), false)
  assert.equal(error.message, 'the primary key encodes to 2000 bytes; at most 1024 are allowed')
  assert.equal(error.cause, cause)
})
