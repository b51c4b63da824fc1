import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from '../../test/random.ts'
import { placement } from './placement.ts'

const workers = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 8 })

test('when one worker leaves only its jobs move, and they go to their standby', () => {
  fc.assert(
    fc.property(workers, fc.nat(), fc.array(fc.string(), { minLength: 1, maxLength: 50 }), (all, which, jobs) => {
      const gone = all[which % all.length]
      const left = all.filter(worker => worker !== gone)
      for (const job of jobs) {
        const before = placement(job, all)
        const after = placement(job, left)
        assert.equal(after.worker, before.worker === gone ? before.standby : before.worker)
      }
    }),
  )
})

test('every member computes the same, whatever the order and however often it heard of another', () => {
  fc.assert(
    fc.property(workers, fc.string(), (all, job) => {
      assert.deepEqual(placement(job, [...all].reverse().concat(all)), placement(job, all))
    }),
  )
})

test('when a worker joins, the jobs that move go to it alone, and each gets about its share', () => {
  const jobs = Array.from({ length: 3000 }, (_, i) => `job ${i}`)
  const before = jobs.map(job => placement(job, ['a', 'b', 'c']).worker)
  const after = jobs.map(job => placement(job, ['a', 'b', 'c', 'd']).worker)
  const moved = after.filter((worker, i) => worker !== before[i])
  assert.ok(moved.every(worker => worker === 'd'))
  assert.ok(moved.length > 600 && moved.length < 900, `${moved.length} of 3000 moved`)
})

test('with nobody there nobody does the job', () => {
  assert.deepEqual(placement('job', []), { worker: undefined, standby: undefined })
})
