/** Processor time is told of the programs that were started, by their names. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { processorTimes, spent } from './processor.ts'

test('a child that works is counted under its name', {
  skip: process.platform !== 'linux' && 'needs /proc',
}, async () => {
  const before = processorTimes()
  const busy =
    'const end = process.cpuUsage().user + 200_000; while (process.cpuUsage().user < end); console.log(1); setInterval(() => {}, 1000)'
  const child = spawn(process.execPath, ['-e', busy, 'works.ts'], { stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    await once(child.stdout, 'data')
    const after = processorTimes()
    assert.ok((after.get('works') ?? 0) >= 200, `${after.get('works')} ms`)
    assert.match(spent(before, after, 10), /works \d+\.\d\d ms/)
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

test('what was spent is told most first, and what is next to nothing is left out', () => {
  const before = new Map([['a', 100]])
  const after = new Map([
    ['a', 150],
    ['b', 1000],
    ['c', 1],
  ])
  assert.equal(spent(before, after, 1000), 'b 1.00 ms, a 0.05 ms')
})
