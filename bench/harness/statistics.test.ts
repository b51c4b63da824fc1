import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median, medianRatio, percentile, rounded } from './statistics.ts'

test('the median of an odd number of values is the middle one, whatever their order', () => {
  assert.equal(median([9, 1, 5]), 5)
  assert.equal(median([7]), 7)
})

test('the median of an even number of values is the mean of the two in the middle', () => {
  assert.equal(median([10, 1, 4, 2]), 3)
})

test('values are ordered as numbers, not as text', () => {
  assert.equal(median([100, 20, 3]), 20)
  assert.equal(percentile([1000, 9, 80], 1), 1000)
})

test('a percentile is a sample, the one at the nearest rank', () => {
  const samples = Array.from({ length: 100 }, (_, index) => 100 - index)
  assert.equal(percentile(samples, 0.5), 50)
  assert.equal(percentile(samples, 0.99), 99)
  assert.equal(percentile(samples, 0.991), 100)
  assert.equal(percentile(samples, 0), 1)
  assert.equal(percentile(samples, 1), 100)
  assert.equal(percentile([5], 0.99), 5)
})

test('one slow sample in a hundred is beyond the 99th percentile, two are not', () => {
  const fast = new Float64Array(99).fill(1)
  assert.equal(percentile([...fast, 500], 0.99), 1)
  assert.equal(percentile([...fast.slice(1), 500, 500], 0.99), 500)
})

test('the samples given are left as they were', () => {
  const samples = [3, 1, 2]
  median(samples)
  percentile(samples, 0.5)
  assert.deepEqual(samples, [3, 1, 2])
})

test('no samples, a sample that is not a number and a share beyond one are refused', () => {
  assert.throws(() => median([]), RangeError)
  assert.throws(() => percentile([], 0.5), RangeError)
  assert.throws(() => percentile([1, Number.NaN], 0.5), RangeError)
  assert.throws(() => percentile([1], 99), RangeError)
})

test('a ratio over rounds is the median of the ratios of each round', () => {
  assert.equal(medianRatio([10, 5, 8], [20, 5, 10]), 0.8)
  assert.throws(() => medianRatio([1], [1, 2]), RangeError)
})

test('figures are told to three digits, great ones whole', () => {
  assert.equal(rounded(0.123456), 0.123)
  assert.equal(rounded(45.678), 45.7)
  assert.equal(rounded(98_765.4), 98_765)
})
