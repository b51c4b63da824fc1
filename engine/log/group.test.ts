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

/** Writes that the log takes one by one before any waits. */
const underWay = 2

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

/** Has as many single writes under way as the log takes at once; returns how many. */
function busy(commit: Commit): number {
  for (let i = 0; i < underWay; i++) void commit([row(`busy${i}`)], options)
  return underWay
}

/** As many writes as make a batch worth its cost. */
const keys = Array.from({ length: 16 }, (_, index) => String.fromCharCode('a'.charCodeAt(0) + index))

test('a few writes that wait are stored one by one', async () => {
  const log = slowLog()
  const commit = groupCommit(log.commit)
  const before = busy(commit)
  for (const key of ['a', 'b']) void commit([row(key)], options)
  assert.equal(log.calls.length, before)
  log.calls[0]?.answer()
  await settled()
  assert.deepEqual(log.keys().slice(before), ['a'])
})

test('many writes that wait share a batch, and each is told its own rows', async () => {
  const log = slowLog()
  const commit = groupCommit(log.commit)
  const before = busy(commit)
  const writes = keys.map(key => commit(key === 'b' ? [row('b'), row('B')] : [row(key)], options))
  log.calls[0]?.answer()
  await settled()
  assert.deepEqual(log.keys().slice(before), ['abBcdefghijklmnop'])
  log.calls[before]?.answer()
  const committed = await Promise.all(writes)
  assert.deepEqual(committed.slice(0, 3), [
    { revision: 18, first: 2, count: 1, replayed: false },
    { revision: 18, first: 3, count: 2, replayed: false },
    { revision: 18, first: 5, count: 1, replayed: false },
  ])
  assert.deepEqual(committed.at(-1), { revision: 18, first: 18, count: 1, replayed: false })
})

test('a second change of one row waits for another batch', async () => {
  const log = slowLog()
  const commit = groupCommit(log.commit)
  const before = busy(commit)
  for (const key of [...keys, 'a', 'z']) void commit([row(key)], options)
  log.calls[0]?.answer()
  await settled()
  assert.deepEqual(log.keys().slice(before), ['abcdefghijklmnop'])
})

test('conditions, mutation ids, large writes and other principals do not wait for a batch', () => {
  const log = slowLog()
  const commit = groupCommit(log.commit)
  const before = busy(commit)
  void commit([{ ...row('a'), condition: { kind: 'absent' } }], options)
  void commit([row('b')], { ...options, mutationId: 'once' })
  void commit([row('c')], { ...options, principal: 'bob' })
  void commit([{ ...row('d'), body: Buffer.alloc(100_000) }], options)
  assert.deepEqual(log.keys().slice(before), ['a', 'b', 'c', 'd'])
})

test('when a batch is refused each write is tried by itself and hears of its own fault', async () => {
  const log = slowLog()
  const commit = groupCommit(log.commit)
  const before = busy(commit)
  const writes = keys.map(key => commit([row(key)], options))
  log.calls[0]?.answer()
  await settled()
  log.calls[before]?.answer(new BlastyError('LOG_FULL', { table: 't' }))
  await settled()
  assert.deepEqual(log.keys().slice(before), [keys.join(''), ...keys])
  for (const call of log.calls.slice(before + 2)) call.answer()
  log.calls[before + 1]?.answer(new BlastyError('LOG_FULL', { table: 't' }))
  const [bad, ...good] = writes
  assert.equal((await Promise.all(good)).length, 15)
  await assert.rejects(async () => bad, { code: 'LOG_FULL' })
})

test('when nobody knows whether a batch was stored none of it is sent again', async () => {
  const log = slowLog()
  const commit = groupCommit(log.commit)
  const before = busy(commit)
  const writes = keys.map(key => commit([row(key)], options))
  log.calls[0]?.answer()
  await settled()
  log.calls[before]?.answer(new BlastyError('OUTCOME_UNKNOWN', { problem: 'no answer' }))
  for (const { status } of await Promise.allSettled(writes)) assert.equal(status, 'rejected')
  assert.equal(log.calls.length, before + 1)
})

test('a write whose time ran out does not take the others of its batch with it', async () => {
  const log = slowLog()
  const commit = groupCommit(log.commit)
  const before = busy(commit)
  const hurried = new AbortController()
  const [late, ...patient] = keys.map((key, index) =>
    commit([row(key)], index === 0 ? { ...options, signal: hurried.signal } : options),
  )
  log.calls[0]?.answer()
  await settled()
  hurried.abort()
  const notInTime = new BlastyError('BACKEND_UNAVAILABLE', { backend: 'streams server', problem: 'no time' })
  log.calls[before]?.answer(notInTime)
  await settled()
  log.calls[before + 1]?.answer(notInTime)
  for (const call of log.calls.slice(before + 2)) call.answer()
  await assert.rejects(async () => late, { code: 'BACKEND_UNAVAILABLE' })
  assert.equal((await Promise.all(patient)).length, 15)
})
