/**
 * A small process that outlives a crash of its parent and then stops the servers the parent had started.
 *
 * The parent writes lines to its standard input: `+PID` a server started, `-PID` it ended, `bye` all is stopped.
 * When the input ends without `bye`, however the parent died, every remaining process group is stopped and the
 * folder given as the first argument, if any, is removed. Run by `guard.ts`; signals to the terminal's group do not
 * reach it.
 */
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { signalGroup } from './signal.ts'

const graceMilliseconds = 3_000
const folder = process.argv[2]
const groups = new Set<number>()
let stoppedCleanly = false

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'bye') stoppedCleanly = true
  else if (line.startsWith('+')) groups.add(Number(line.slice(1)))
  else if (line.startsWith('-')) groups.delete(Number(line.slice(1)))
}

if (!stoppedCleanly) {
  const deadline = Date.now() + graceMilliseconds
  let alive = [...groups].filter(pid => signalGroup(pid, 'SIGTERM'))
  while (alive.length > 0 && Date.now() < deadline) {
    await delay(50)
    alive = alive.filter(pid => signalGroup(pid, 0))
  }
  for (const pid of alive) signalGroup(pid, 'SIGKILL')
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
}
