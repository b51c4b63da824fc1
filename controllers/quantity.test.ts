import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesOf } from './quantity.ts'

test('quantities mean what Kubernetes means by them', () => {
  const cases: [number | string, number][] = [
    [1048576, 1048576],
    ['1Mi', 1048576],
    ['1.5Gi', 1610612736],
    ['10G', 1e10],
    ['1Pi', 2 ** 50],
    ['1e9', 1e9],
    ['2E3', 2000],
    ['.5k', 500],
    ['+7', 7],
    ['0.3', 1],
  ]
  for (const [quantity, bytes] of cases) assert.equal(bytesOf(quantity), bytes, String(quantity))
})

test('what is no quantity is refused', () => {
  for (const bad of ['', 'much', '10GB', '-1Gi', '1 Gi', 'Gi', '1ki'])
    assert.throws(() => bytesOf(bad), RangeError, bad)
})
