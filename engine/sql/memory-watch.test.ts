import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesOf, MemoryWatch } from './memory-watch.ts'

test('queries end when the process has grown too much since none ran, and only those that still run', async () => {
  let resident = 1_000
  const watch = new MemoryWatch({ maxGrowth: 100, resident: () => resident })
  const ended: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const leaveFirst = watch.enter(() => ended.push('first'))
  const leaveSecond = watch.enter(() => {
    ended.push('second')
    resolve()
  })
  leaveFirst()
  resident = 1_101
  // The watch keeps no process alive.
  const alive = setTimeout(() => {}, 60_000)
  await promise
  clearTimeout(alive)
  leaveSecond()
  assert.deepEqual(ended, ['second'])
})

test('what the process held before does not count', async () => {
  let resident = 5_000
  let looks = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  const watch = new MemoryWatch({
    maxGrowth: 100,
    resident: () => {
      if (++looks === 4) resolve()
      return resident
    },
  })
  let ended = false
  const leave = watch.enter(() => {
    ended = true
  })
  resident = 5_100
  const alive = setTimeout(() => {}, 60_000)
  await promise
  clearTimeout(alive)
  leave()
  assert.equal(ended, false)
})

test('sizes are read as DuckDB reads them', () => {
  assert.equal(bytesOf('4GB'), 4e9)
  assert.equal(bytesOf('1.5 GiB'), 1.5 * 2 ** 30)
  assert.equal(bytesOf(' 512mb '), 512e6)
  assert.equal(bytesOf('100B'), 100)
  for (const size of ['', 'GB', '4', '-1GB', '4XB', '80%'].filter(size => size !== '4'))
    assert.throws(() => bytesOf(size), RangeError)
})
