/** Giving way: a process of lower priority than those it shares processors with. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'
import { join } from 'node:path'

/**
 * Makes this process at least as nice as said, with every thread that it has and will have. On Linux a priority is a thread's own,
 * and the pool in which files are read and databases work stands before any program begins. Where the kernel weighs sessions against
 * one another, niceness counts within one alone, so the session is told too (sched(7), "The nice value and group scheduling"), unless
 * it is the system's first, which has no weight: its file is empty, and what is written there is refused as invalid.
 * Throws what the system says against it.
 */
export function giveWay(niceness: number, self = '/proc/self'): void {
  const wanted = Math.max(niceness, getPriority())
  setPriority(wanted)
  for (const thread of entriesOf(join(self, 'task'))) setPriority(Number(thread), wanted)
  const session = join(self, 'autogroup')
  if (existsSync(session) && readFileSync(session, 'utf8') !== '') writeFileSync(session, String(wanted))
}

/** Empty where there is no such folder. */
function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
