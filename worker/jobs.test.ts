import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Logger } from '../operator/mod.ts'
import { type Job, Jobs } from './jobs.ts'

const noLog = { debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger
const turn = () => new Promise(resolve => setImmediate(resolve))

/** A job that says when it runs, and ends only when it is let. */
function slowJob(id: string, version: string) {
  const running = new Set<number>()
  const state = { started: 0, most: 0, running }
  let ending = Promise.withResolvers<void>()
  const job: Job = {
    id,
    version,
    run: async signal => {
      const number = state.started++
      running.add(number)
      state.most = Math.max(state.most, running.size)
      await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()))
      await ending.promise
      running.delete(number)
    },
  }
  const letEnd = () => {
    ending.resolve()
    ending = Promise.withResolvers()
  }
  return { job, state, letEnd }
}

test('a job that is taken away and given back does not begin before its last run has ended', async () => {
  const jobs = new Jobs(noLog)
  const { job, state, letEnd } = slowJob('a', '1')
  jobs.assign([job])
  await turn()
  jobs.assign([])
  assert.equal(jobs.size, 0)
  jobs.assign([job])
  await turn()
  assert.deepEqual([state.started, state.running.size], [1, 1])
  letEnd()
  await turn()
  assert.deepEqual([state.started, state.running.size, state.most], [2, 1, 1])
  const closing = jobs.close()
  await turn()
  letEnd()
  await closing
})

test('a job that changes many times runs once, in its last form', async () => {
  const jobs = new Jobs(noLog)
  const ran: string[] = []
  const job = (version: string): Job => ({
    id: 'a',
    version,
    run: async signal => {
      ran.push(version)
      await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()))
    },
  })
  jobs.assign([job('1')])
  await turn()
  for (const version of ['2', '3', '4']) jobs.assign([job(version)])
  await turn()
  assert.deepEqual(ran, ['1', '4'])
  jobs.assign([job('4')])
  await turn()
  assert.deepEqual(ran, ['1', '4'])
  await jobs.close()
})

test('closing waits for jobs that were taken away before and are still ending', async () => {
  const jobs = new Jobs(noLog)
  const { job, state, letEnd } = slowJob('a', '1')
  jobs.assign([job])
  await turn()
  jobs.assign([])
  let closed = false
  const closing = jobs.close().then(() => {
    closed = true
  })
  await turn()
  assert.equal(closed, false)
  letEnd()
  await closing
  assert.equal(state.running.size, 0)
})

test('a job that fails begins again, and one that is taken away while it waits does not', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const jobs = new Jobs(noLog)
  let runs = 0
  const run = async () => {
    runs++
    throw new Error('no luck')
  }
  jobs.assign([{ id: 'a', version: '1', run }])
  for (let i = 0; i < 5; i++) await turn()
  assert.equal(runs, 1)
  await jobs.close()
  assert.equal(runs, 1)
})
