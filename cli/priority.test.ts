import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { getPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { giveWay } from './priority.ts'

/** Works in the pool before and after, so that its threads are there, and prints the niceness of each thread. */
const program = `
  import { readFile, readdir } from 'node:fs/promises'
  import { giveWay } from ${JSON.stringify(new URL('priority.ts', import.meta.url).href)}
  await readdir('/proc/self/task')
  giveWay(10)
  const threads = await readdir('/proc/self/task')
  const stats = await Promise.all(threads.map(thread => readFile('/proc/self/task/' + thread + '/stat', 'utf8')))
  console.log(JSON.stringify(stats.map(stat => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]))))
`
const unless = process.platform === 'linux' ? false : 'only Linux gives each thread a priority and shows it'

test('every thread of a process gives way, those that were there before too', { skip: unless }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program])
  const niceness: unknown = JSON.parse(stdout)
  assert.ok(Array.isArray(niceness) && niceness.length > 4, stdout)
  assert.deepEqual([...new Set(niceness)].length, 1)
  assert.ok(
    niceness.every(one => one >= 10),
    stdout,
  )
})

test('the session is told where it has a weight, and left alone where it has none', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'blasty-priority-'))
  try {
    for (const [shown, then] of [
      ['/autogroup-7 nice 0\n', String(getPriority())],
      ['', ''],
    ] as const) {
      await writeFile(join(folder, 'autogroup'), shown)
      giveWay(0, folder)
      assert.equal(await readFile(join(folder, 'autogroup'), 'utf8'), then)
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})
