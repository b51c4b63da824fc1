import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlastyError } from '../../base/errors.ts'
import { type Commit, groupCommit } from './group.ts'
import type { Committed, Encoded, WriteOptions } from './writer.ts'

const options: WriteOptions = { principal: 'ada', schema: 1, signal: new AbortController().signal }
const row = (key: string): Encoded => ({
  op: 'put',
  subject: `k.${key}`,
  key: Buffer.from(key),
  body: Buffer.from('{}'),
})

/** A log that stores when it is told to, one sequence a row. */
function slowLog() {
  const calls: { rows: readonly Encoded[]; answer: (error?: Error) => void }[] = []
  let sequence = 0
  const commit: Commit = rows => {
    const { promise, resolve, reject } = Promise.withResolvers<Committed>()
    const answer = (error?: Error) => {
      if (error) reject(error)
      else {
        sequence += rows.length
        resolve({ revision: sequence, first: sequence - rows.length + 1, count: rows.length, replayed: false })
      }
    }
    calls.push({ rows, answer })
    return promise
  }
  return { commit, calls, keys: () => calls.map(({ rows }) => rows.map(({ key }) => String(key)).join('')) }
}

/** Lets what was settled be noticed. */
const settled = () => new Promise(resolve => setImmediate(resolve))

test('a write alone is stored at once and by itself', async () => {
  const log = slowLog()
  const write = groupCommit(log.commit)([row('a')], options)
  assert.deepEqual(log.keys(), ['a'])
  log.calls[0]?.answer()
  assert.deepEqual(await write, { revision: 1, first: 1, count: 1, replayed: false })
})

test('writes that come while two are under way share a batch, and each is told its own rows', async () => {
  const log = slowLog()
  const commit = groupCommit(log.commit)
  const writes = [[row('a')], [row('b')], [row('c')], [row('d'), row('e')], [row('f')]].map(rows =>
    commit(rows, options),
  )
  assert.deepEqual(log.keys(), ['a', 'b'])
  log.calls[0]?.answer()
  log.calls[1]?.answer()
  await settled()
  assert.deepEqual(log.keys(), ['a', 'b', 'cdef'])
  log.calls[2]?.answer()
  assert.deepEqual(await Promise.all(writes), [
    { revision: 1, first: 1, count: 1, replayed: false },
    { revision: 2, first: 2, count: 1, replayed: false },
    { revision: 6, first: 3, count: 1, replayed: false },
    { revision: 6, first: 4, count: 2, replayed: false },
    { revision: 6, first: 6, count: 1, replayed: false },
  ])
})

test('a second change of one row waits for the next batch', async () => {
  const log = slowLog()
  const commit = groupCommit(log.commit)
  for (const key of ['x', 'y', 'a', 'b', 'a', 'c']) void commit([row(key)], options)
  log.calls[0]?.answer()
  await settled()
  log.calls[1]?.answer()
  await settled()
  assert.deepEqual(log.keys(), ['x', 'y', 'ab', 'ac'])
})

test('conditions, mutation ids, large writes and other principals do not share a batch', () => {
  const log = slowLog()
  const commit = groupCommit(log.commit)
  for (const key of ['x', 'y']) void commit([row(key)], options)
  void commit([{ ...row('a'), condition: { kind: 'absent' } }], options)
  void commit([row('b')], { ...options, mutationId: 'once' })
  void commit([row('c')], { ...options, principal: 'bob' })
  void commit([{ ...row('d'), body: Buffer.alloc(100_000) }], options)
  assert.deepEqual(log.keys(), ['x', 'y', 'a', 'b', 'c', 'd'])
})

test('when a batch is refused each write is tried by itself and hears of its own fault', async () => {
  const log = slowLog()
  const commit = groupCommit(log.commit)
  for (const key of ['x', 'y']) void commit([row(key)], options)
  const [good, bad] = ['a', 'b'].map(key => commit([row(key)], options))
  log.calls[0]?.answer()
  await settled()
  log.calls[2]?.answer(new BlastyError('LOG_FULL', { table: 't' }))
  await settled()
  assert.deepEqual(log.keys(), ['x', 'y', 'ab', 'a', 'b'])
  log.calls[3]?.answer()
  log.calls[4]?.answer(new BlastyError('LOG_FULL', { table: 't' }))
  assert.equal((await good)?.count, 1)
  await assert.rejects(async () => bad, { code: 'LOG_FULL' })
})

test('when nobody knows whether a batch was stored none of it is sent again', async () => {
  const log = slowLog()
  const commit = groupCommit(log.commit)
  for (const key of ['x', 'y']) void commit([row(key)], options)
  const writes = ['a', 'b'].map(key => commit([row(key)], options))
  log.calls[0]?.answer()
  await settled()
  log.calls[2]?.answer(new BlastyError('OUTCOME_UNKNOWN', { problem: 'no answer' }))
  for (const { status } of await Promise.allSettled(writes)) assert.equal(status, 'rejected')
  assert.equal(log.calls.length, 3)
})

test('a write whose time ran out does not take the others of its batch with it', async () => {
  const log = slowLog()
  const commit = groupCommit(log.commit)
  for (const key of ['x', 'y']) void commit([row(key)], options)
  const hurried = new AbortController()
  const late = commit([row('a')], { ...options, signal: hurried.signal })
  const patient = commit([row('b')], options)
  log.calls[0]?.answer()
  await settled()
  hurried.abort()
  const notInTime = new BlastyError('BACKEND_UNAVAILABLE', { backend: 'streams server', problem: 'no time' })
  log.calls[2]?.answer(notInTime)
  await settled()
  assert.deepEqual(log.keys(), ['x', 'y', 'ab', 'a', 'b'])
  log.calls[3]?.answer(notInTime)
  log.calls[4]?.answer()
  await assert.rejects(late, { code: 'BACKEND_UNAVAILABLE' })
  assert.equal((await patient).count, 1)
})
