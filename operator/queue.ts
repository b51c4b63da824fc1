/** A work queue of keys: each once, none at two workers, failures later and later. */
import { type BackoffOptions, backoffMs, type Cancel, type Clock, type Random, TokenBucket } from './clock.ts'
import { FairSet } from './fair-set.ts'

/** `event`: somebody waits for it. `background`: first lists and periodic looks, which must not hold up the others. */
export type Lane = 'event' | 'background'

export interface QueueOptions<K extends string> {
  readonly clock: Clock
  readonly random: Random
  /** Keys of one group take turns with those of the others; by default a key's namespace. */
  readonly groupOf?: (key: K) => string
  /** Waits after failures of the same key. Default 200 ms to 2 min. */
  readonly backoff?: BackoffOptions
  /** Bounds the retries of all keys together, for when everything fails at once. Default 20 a second, 200 at once. */
  readonly retries?: { readonly perSecond: number; readonly burst: number }
}

/** One in this many takes is from the background lane even when events wait. */
const backgroundTurn = 4

/**
 * Bounded by the number of distinct keys: adding one that waits changes nothing. A key that is added while a worker has
 * it runs once more when that worker is done. In memory only; after a restart the first list fills it again.
 */
export class WorkQueue<K extends string> {
  readonly #options: QueueOptions<K>
  readonly #ready: Readonly<Record<Lane, FairSet<K>>>
  readonly #processing = new Set<K>()
  readonly #again = new Map<K, Lane>()
  readonly #delayed = new Map<K, { readonly at: number; readonly lane: Lane; readonly cancel: Cancel }>()
  readonly #failures = new Map<K, number>()
  readonly #retries: TokenBucket
  readonly #idleWorkers: ((key: K | undefined) => void)[] = []
  #drained: (() => void)[] = []
  #turn = 0
  #closed = false

  constructor(options: QueueOptions<K>) {
    const groupOf = options.groupOf ?? (key => key.slice(0, Math.max(0, key.indexOf('/'))))
    this.#options = options
    this.#ready = { event: new FairSet(groupOf), background: new FairSet(groupOf) }
    this.#retries = new TokenBucket(options.clock, options.retries ?? { perSecond: 20, burst: 200 })
  }

  /** Keys that could run now. */
  get depth(): number {
    return this.#ready.event.size + this.#ready.background.size
  }

  /** Keys that wait for their time. */
  get delayed(): number {
    return this.#delayed.size
  }

  get processing(): number {
    return this.#processing.size
  }

  /** Has `key` processed soon; whatever delay it had is over. */
  add(key: K, lane: Lane = 'event'): void {
    if (this.#closed) return
    this.#undelay(key)
    if (this.#processing.has(key)) {
      if (this.#again.get(key) !== 'event') this.#again.set(key, lane)
      return
    }
    if (this.#ready.event.has(key)) return
    if (lane === 'event') this.#ready.background.delete(key)
    this.#ready[lane].add(key)
    const worker = this.#idleWorkers.shift()
    if (worker !== undefined) worker(this.#next())
  }

  /** Has `key` processed in `ms` milliseconds, or sooner when it is already due sooner. */
  addAfter(key: K, ms: number, lane: Lane = 'background'): void {
    if (this.#closed || this.#ready.event.has(key) || this.#ready.background.has(key)) return
    const at = this.#options.clock.now() + ms
    const known = this.#delayed.get(key)
    if (known !== undefined && known.at <= at) return
    known?.cancel()
    const cancel = this.#options.clock.after(ms, () => this.add(key, lane))
    this.#delayed.set(key, { at, lane, cancel })
  }

  /** Has `key` processed after its backoff, and not before `atLeastMs`. Returns the delay in milliseconds. */
  retry(key: K, atLeastMs = 0): number {
    const { backoff = { baseMs: 200, maxMs: 120_000 }, random } = this.#options
    const failures = this.#failures.get(key) ?? 0
    this.#failures.set(key, failures + 1)
    const ms = Math.max(atLeastMs, backoffMs(failures, backoff, random), this.#retries.reserve())
    this.addAfter(key, ms, 'event')
    return ms
  }

  /** The next failure of `key` counts as its first. */
  forget(key: K): void {
    this.#failures.delete(key)
  }

  /** The next key, when there is one; undefined once the queue is closed. Each key taken must be given to `done`. */
  take(): Promise<K | undefined> {
    if (this.#closed) return Promise.resolve(undefined)
    const key = this.#next()
    if (key !== undefined) return Promise.resolve(key)
    return new Promise(resolve => this.#idleWorkers.push(resolve))
  }

  done(key: K): void {
    this.#processing.delete(key)
    const lane = this.#again.get(key)
    this.#again.delete(key)
    if (lane !== undefined) this.add(key, lane)
    if (this.#processing.size === 0) for (const resolve of this.#drained.splice(0)) resolve()
  }

  /** Hands out nothing more. Resolves when every key taken is done. */
  close(): Promise<void> {
    this.#closed = true
    for (const { cancel } of this.#delayed.values()) cancel()
    this.#delayed.clear()
    this.#again.clear()
    for (const worker of this.#idleWorkers.splice(0)) worker(undefined)
    if (this.#processing.size === 0) return Promise.resolve()
    return new Promise(resolve => this.#drained.push(resolve))
  }

  #next(): K | undefined {
    this.#turn = (this.#turn + 1) % backgroundTurn
    const { event, background } = this.#ready
    const key = this.#turn === 0 ? (background.take() ?? event.take()) : (event.take() ?? background.take())
    if (key !== undefined) {
      this.#processing.add(key)
      this.#undelay(key)
    }
    return key
  }

  #undelay(key: K): void {
    this.#delayed.get(key)?.cancel()
    this.#delayed.delete(key)
  }
}
