/** How long a call may wait, and what ends its waiting. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import { patiently, timeLimit } from './scope.ts'

const waiting = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason))
  })
const forever = { signal: new AbortController().signal, deadline: Number.POSITIVE_INFINITY }

test('a wait that outlasts the deadline ends with WAIT_TIMEOUT', async () => {
  const context = { ...forever, deadline: Date.now() + 30 }
  await assert.rejects(patiently(context, 'table a/b', 7, waiting), error => isBlastyError(error, 'WAIT_TIMEOUT'))
})

test('a wait whose caller leaves ends with what the caller left by', async () => {
  const left = new BlastyError('CANCELLED')
  const early = { ...forever, signal: AbortSignal.abort(left) }
  await assert.rejects(patiently(early, 'table a/b', 7, waiting), error => error === left)

  const leaving = new AbortController()
  const late = patiently({ ...forever, signal: leaving.signal }, 'table a/b', 7, waiting)
  leaving.abort(left)
  await assert.rejects(late, error => error === left)
})

test('what the work itself throws is told as it is', async () => {
  const own = new BlastyError('TABLE_NOT_READY', { table: 'a/b', reason: 'x' })
  await assert.rejects(
    patiently(forever, 'table a/b', 7, () => Promise.reject(own)),
    error => error === own,
  )
})

test('a limit tells time from another end, and after its end is heard of no more', async () => {
  const other = new AbortController()
  const ended = timeLimit(60_000, other.signal)
  other.abort(new Error('left'))
  assert.equal(ended.passed, false)
  assert.equal(ended.signal.reason, other.signal.reason)
  ended[Symbol.dispose]()

  const short = timeLimit(1)
  await assert.rejects(waiting(short.signal), { name: 'TimeoutError' })
  assert.equal(short.passed, true)

  const open = new AbortController()
  const disposed = timeLimit(60_000, open.signal)
  disposed[Symbol.dispose]()
  open.abort()
  assert.equal(disposed.signal.aborted, false)
})
