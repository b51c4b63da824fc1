/** The parent's side of `watchdog.ts`: tells it which servers run, so that a crash of this process leaves none. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export type Guard = {
  started(pid: number): void
  ended(pid: number): void
  /** Says that all servers were stopped, and waits for the watchdog's end. */
  dismiss(): Promise<void>
}

/**
 * Starts a watchdog whose messages go to `watchdog.log` in `logs`.
 * `removeAfterCrash` is a folder that it removes if this process dies; `onLost` is called if the watchdog itself dies.
 */
export function startGuard(logs: string, removeAfterCrash: string | undefined, onLost: () => void): Guard {
  const log = openSync(join(logs, 'watchdog.log'), 'a')
  const script = fileURLToPath(new URL('./watchdog.ts', import.meta.url))
  const args = removeAfterCrash === undefined ? [script] : [script, removeAfterCrash]
  const child = spawn(process.execPath, args, { detached: true, stdio: ['pipe', log, log] })
  closeSync(log)
  const input = child.stdin
  if (input === null) throw new Error('the watchdog has no input')
  const gone = once(child, 'exit')
  let dismissed = false
  child.once('exit', () => dismissed || onLost())
  input.on('error', () => {}) // its end is reported by `exit`
  child.unref()
  if (input instanceof Socket) input.unref()
  const send = (line: string): void => {
    if (input.writable) input.write(`${line}\n`)
  }
  return {
    started: pid => send(`+${pid}`),
    ended: pid => send(`-${pid}`),
    async dismiss() {
      dismissed = true
      child.ref()
      input.end('bye\n')
      await gone
    },
  }
}
