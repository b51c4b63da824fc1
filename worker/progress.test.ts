import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Report, Reports } from '../engine/membership/reports.ts'
import { ProgressReporter } from './progress.ts'

const report = (revision: number): Report => ({ kind: 'table', tableUid: 't', revision, bytes: 0, full: false })

/** Reports that take until they are let, as over a slow network. */
function slowReports() {
  const calls: string[] = []
  const waiting: PromiseWithResolvers<void>[] = []
  const call = (what: string) => (one: Report) => {
    calls.push(`${what} ${one.kind === 'table' ? one.revision : '?'}`)
    const next = Promise.withResolvers<void>()
    waiting.push(next)
    return next.promise
  }
  const reports: Pick<Reports, 'publish' | 'withdraw'> = { publish: call('publish'), withdraw: call('withdraw') }
  return { calls, waiting, reports: reports as Reports }
}

const unexpected = (error: unknown) => assert.fail(String(error))
const turn = () => new Promise(resolve => setImmediate(resolve))

test('while one report is on its way only the newest of those that follow is kept', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { calls, waiting, reports } = slowReports()
  const reporter = new ProgressReporter(reports, unexpected)
  for (const revision of [1, 2, 3, 4]) reporter.tell(report(revision))
  assert.deepEqual(calls, ['publish 1'])
  waiting[0]?.resolve()
  await turn()
  t.mock.timers.tick(1000)
  await turn()
  assert.deepEqual(calls, ['publish 1', 'publish 4'])
})

test('what was told is withdrawn at the end, behind what is still on its way, and nothing is told after', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { calls, waiting, reports } = slowReports()
  const reporter = new ProgressReporter(reports, unexpected)
  reporter.tell(report(1))
  reporter.tell(report(2))
  const ending = reporter.end()
  assert.deepEqual(calls, ['publish 1', 'withdraw 1'])
  for (const one of waiting) one.resolve()
  await ending
  reporter.tell(report(3))
  t.mock.timers.tick(1000)
  await turn()
  assert.deepEqual(calls, ['publish 1', 'withdraw 1'])
})

test('a report that fails is said to have failed, and the next one is told all the same', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { calls, waiting, reports } = slowReports()
  const failures: unknown[] = []
  const reporter = new ProgressReporter(reports, error => failures.push(error))
  reporter.tell(report(1))
  waiting[0]?.reject(new Error('away'))
  await turn()
  reporter.tell(report(2))
  t.mock.timers.tick(1000)
  await turn()
  assert.equal(failures.length, 1)
  assert.deepEqual(calls, ['publish 1', 'publish 2'])
})
