/** Statements that ask for too much end, each with an error that says so, and take neither the process nor its memory with them. */

import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { bombs } from './bombs.ts'
import type { Outcome } from './testing-bombs.ts'

/** Well above what the limits of the process under test come to, and far below what the statements ask for. */
const maxPeak = 1.5e9
const ends: ReadonlySet<string> = new Set(['rows', 'QUERY_LIMIT', 'QUERY_FAILED', 'INVALID_SQL', 'UNSUPPORTED'])

let child: ChildProcess
let exited: Promise<never>

before(async () => {
  child = fork(fileURLToPath(new URL('testing-bombs.ts', import.meta.url)))
  exited = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the process ended: ${signal ?? code}`)
  })
  exited.catch(() => {}) // Heard by whoever waits for an outcome.
  await once(child, 'message')
})
after(async () => {
  if (!child.connected) return
  child.disconnect()
  await once(child, 'exit')
})

async function run(sql: string): Promise<Outcome> {
  child.send(sql)
  const [outcome] = await Promise.race([once(child, 'message'), exited]).catch(cause => {
    throw new Error(`with ${sql.slice(0, 200)}`, { cause })
  })
  return outcome as Outcome
}

for (const [kind, statements] of Object.entries(bombs)) {
  test(`${kind}: ${statements.length} statements end, and the next one runs`, async () => {
    for (const sql of statements) {
      const { code, message, peak } = await run(sql)
      assert.ok(ends.has(code), `${code} ${message}: ${sql.slice(0, 200)}`)
      assert.ok(peak < maxPeak, `${Math.round(peak / 1e6)} MB after ${sql.slice(0, 200)}`)
    }
    assert.equal((await run('SELECT count(*) FROM range(1000)')).code, 'rows')
  })
}
