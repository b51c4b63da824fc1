import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc, { runs } from '../test/random.ts'
import { Slots } from './slots.ts'

test('what is put in is at its place until it is taken, and places are used again', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant('put' as const), fc.nat({ max: 20 }))), steps => {
      const slots = new Slots<number>()
      const model = new Map<number, number>()
      for (const [value, step] of steps.entries()) {
        if (step === 'put') {
          const place = slots.put(value)
          assert.ok(!model.has(place))
          assert.ok(place <= model.size, 'no place is made while one is free')
          model.set(place, value)
        } else {
          assert.equal(slots.at(step), model.get(step))
          assert.equal(slots.take(step), model.get(step))
          model.delete(step)
        }
        assert.equal(slots.size, model.size)
      }
      assert.deepEqual(
        slots.all(),
        [...model].sort(([a], [b]) => a - b),
      )
    }),
    { numRuns: runs(100) },
  )
})
