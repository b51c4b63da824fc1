/** Jobs that this process has been given: each runs until it is taken away, and is started again when it fails. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../operator/mod.ts'

export type Job = {
  /** Names the work; the same everywhere. */
  readonly id: string
  /** Changes when the work must begin anew: another stream, another spec. */
  readonly version: string
  /** The job beside which it is placed, to share its replica; by itself when unset. */
  readonly beside?: string
  /** Works until the signal is aborted. */
  readonly run: (signal: AbortSignal) => Promise<void>
}

type Running = { readonly version: string; readonly stop: AbortController }

const minPauseMillis = 200
const maxPauseMillis = 15_000
/** A run that lasted this long was well: the next failure waits the shortest pause again. */
const healthyMillis = 60_000

export class Jobs {
  readonly #log: Logger
  readonly #running = new Map<string, Running>()
  /** The last run of each job that has not ended yet, whether it is still wanted or not. */
  readonly #ending = new Map<string, Promise<void>>()

  constructor(log: Logger) {
    this.#log = log
  }

  /** Makes the jobs running those wanted: new ones start, changed ones begin anew, others end. */
  assign(wanted: readonly Job[]): void {
    const ids = new Set(wanted.map(({ id }) => id))
    for (const [id, running] of this.#running) {
      if (ids.has(id)) continue
      running.stop.abort()
      this.#running.delete(id)
    }
    for (const job of wanted) {
      const running = this.#running.get(job.id)
      if (running?.version === job.version) continue
      running?.stop.abort()
      const stop = new AbortController()
      // Never two runs of one job at a time, not even of one that was taken away and given back.
      const before = this.#ending.get(job.id) ?? Promise.resolve()
      const done = before.then(() => this.#keepRunning(job, stop.signal))
      this.#running.set(job.id, { version: job.version, stop })
      this.#ending.set(job.id, done)
      void done.then(() => {
        if (this.#ending.get(job.id) === done) this.#ending.delete(job.id)
      })
    }
  }

  get size(): number {
    return this.#running.size
  }

  /** Ends all jobs; resolves when none is working any more. */
  async close(): Promise<void> {
    this.assign([])
    await Promise.all(this.#ending.values())
  }

  async #keepRunning({ id, run }: Job, signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures++) {
      const started = performance.now()
      try {
        await run(signal)
        if (signal.aborted) return
        this.#log.warn({ job: id }, 'a job ended by itself, it begins again')
      } catch (error) {
        if (signal.aborted) return
        this.#log.error({ err: error, job: id }, 'a job failed, it begins again')
      }
      if (performance.now() - started > healthyMillis) failures = 0
      const pause = Math.min(maxPauseMillis, minPauseMillis * 2 ** failures)
      await sleep(pause, undefined, { signal }).catch(() => {})
    }
  }
}
