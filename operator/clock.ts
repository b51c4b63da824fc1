/** Time and chance, as they are handed to everything that waits. */

/** Stops a timer; doing so twice, or after it ran, is harmless. */
export type Cancel = () => void

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Runs `fn` once, `ms` milliseconds from now. */
  after(ms: number, fn: () => void): Cancel
}

/** A number in [0, 1). */
export type Random = () => number

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms)
    return () => clearTimeout(timer)
  },
}

/** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve()
    const finish = () => {
      cancel()
      signal.removeEventListener('abort', finish)
      resolve()
    }
    const cancel = clock.after(ms, finish)
    signal.addEventListener('abort', finish)
  })
}

export interface BackoffOptions {
  /** The first delay in milliseconds. */
  readonly baseMs: number
  /** No delay is longer. */
  readonly maxMs: number
}

/** The delay in milliseconds before try number `attempt` (from 0): doubling, between half and the whole of it by chance. */
export function backoffMs(attempt: number, options: BackoffOptions, random: Random): number {
  const whole = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(attempt, 40))
  return whole / 2 + (whole / 2) * random()
}

/** Allows `perSecond` on average and `burst` at once. */
export class TokenBucket {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #at: number

  constructor(clock: Clock, options: { perSecond: number; burst: number }) {
    this.#clock = clock
    this.#perSecond = options.perSecond
    this.#burst = options.burst
    this.#tokens = options.burst
    this.#at = clock.now()
  }

  /** Takes one token and returns the milliseconds to wait until it is due. */
  reserve(): number {
    const now = this.#clock.now()
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#perSecond)
    this.#at = now
    this.#tokens -= 1
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#perSecond) * 1000
  }
}
