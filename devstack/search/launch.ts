/** Starts the stand-in as a process of its own, for tests and benches. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export type Launched = {
  url: string
  process: ChildProcess
  /** Sends the signal and waits for the end. */
  stop: (signal?: NodeJS.Signals) => Promise<void>
}

/** Resolves when the server listens on a free port; rejects with what it wrote when it ends before. */
export async function launch(db: string, masterKey: string): Promise<Launched> {
  const script = fileURLToPath(new URL('./server.ts', import.meta.url))
  const child = spawn(process.execPath, [script, '--port', '0', '--db', db, '--master-key', masterKey], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /^listening on (\S+)$/.exec(line)?.[1]
    if (url === undefined) continue
    const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
      child.kill(signal)
      await ended
    }
    return { url, process: child, stop }
  }
  await ended
  throw new Error(`the search stand-in ended with code ${child.exitCode} before it listened`)
}
