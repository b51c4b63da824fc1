/** A clock that moves only when told to. */
import type { Cancel, Clock } from '../clock.ts'

export class FakeClock implements Clock {
  #now: number
  #order = 0
  readonly #timers = new Map<number, { readonly at: number; readonly fn: () => void }>()

  constructor(now = Date.parse('2026-01-01T00:00:00Z')) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  after(ms: number, fn: () => void): Cancel {
    const id = this.#order++
    this.#timers.set(id, { at: this.#now + ms, fn })
    return () => this.#timers.delete(id)
  }

  get timers(): number {
    return this.#timers.size
  }

  /** Runs every timer that is due within `ms`, in order, letting promises settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      await settle()
      const due = [...this.#timers]
        .filter(([, timer]) => timer.at <= end)
        .sort((a, b) => a[1].at - b[1].at || a[0] - b[0])
      const [first] = due
      if (first === undefined) break
      this.#timers.delete(first[0])
      this.#now = Math.max(this.#now, first[1].at)
      first[1].fn()
    }
    this.#now = end
    await settle()
  }
}

/** Lets every promise that can settle do so. */
export function settle(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
