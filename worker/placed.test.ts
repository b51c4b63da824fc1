import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Report } from '../engine/membership/reports.ts'
import { Placed } from './placed.ts'

/** Reports of these workers, with a count of how often they were asked for. */
function reportsOf(...ids: string[]) {
  const reports = {
    asked: 0,
    current(): Report[] {
      reports.asked++
      return ids.map(id => ({ kind: 'member', role: 'worker', id }))
    },
  }
  return reports
}

const jobs = Array.from({ length: 200 }, (_, index) => `job-${index}`)

test('each job falls to one worker, and a worker that joins takes its share from the others', () => {
  const two = reportsOf('a', 'b')
  const [a, b] = [new Placed('a'), new Placed('b')]
  const before = jobs.filter(job => a.mine(job, two))
  assert.deepEqual(
    jobs.filter(job => b.mine(job, two)),
    jobs.filter(job => !before.includes(job)),
  )
  const three = reportsOf('c', 'b', 'a')
  const next = new Placed('a', a)
  const after = jobs.filter(job => next.mine(job, three))
  assert.ok(after.length < before.length && after.every(job => before.includes(job)))
  const alone = new Placed('a', next)
  assert.ok(jobs.every(job => alone.mine(job, reportsOf('a'))))
})

test('a worker that nobody reports has no job, and the members are asked for once a sharing', () => {
  const others = reportsOf('b')
  const a = new Placed('a')
  assert.ok(jobs.every(job => !a.mine(job, others)))
  assert.equal(others.asked, 1)
})
