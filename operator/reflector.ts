/** Keeps a cache equal to what the API server holds: list, then watch, whatever goes wrong. */
import type { Cache } from './cache.ts'
import type { KubeClient } from './client.ts'
import { type BackoffOptions, backoffMs, type Clock, type Random, sleep } from './clock.ts'
import type { KubeObject } from './kind.ts'
import { isGone, KubeError } from './kube-error.ts'

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient
  readonly cache: Cache<T>
  readonly clock: Clock
  readonly random: Random
  /** Every failure, before the reflector waits and goes on. */
  readonly onError: (error: unknown, next: 'list' | 'watch') => void
  /** Called when a watch begins: after a list, or again from where the last one ended. */
  readonly onWatch?: () => void
  /** Objects a page of the list. Default 500. */
  readonly pageSize?: number
  /** The server sends a bookmark about every minute; a watch that hears nothing for this long is dead. Default 90,000. */
  readonly silenceMs?: number
  /** A watch lasts between this and twice this, by chance, so that many do not end at once. Default 300 s. */
  readonly watchSeconds?: number
  /** Default 250 ms to 30 s. */
  readonly backoff?: BackoffOptions
}

/** A watch that ends sooner than this without a word is a failure, or we would spin. */
const shortWatchMs = 1_000

export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>
  #failures = 0
  #lastError: unknown

  constructor(options: ReflectorOptions<T>) {
    this.#options = options
  }

  /** What keeps it from listing or watching now; undefined while all is well. */
  get lastError(): unknown {
    return this.#lastError
  }

  /** Lists and watches until `signal` aborts. Never rejects. The cache keeps what it has until a new list is in. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, onError, backoff = { baseMs: 250, maxMs: 30_000 } } = this.#options
    let next: 'list' | 'watch' = 'list'
    while (!signal.aborted) {
      try {
        if (next === 'list') await this.#list(signal)
        next = 'watch'
        await this.#watch(signal)
      } catch (error) {
        if (signal.aborted) return
        this.#lastError = error
        next = next === 'watch' && canResume(error) ? 'watch' : 'list'
        onError(error, next)
        const asked = error instanceof KubeError ? (error.retryAfterSeconds ?? 0) * 1000 : 0
        await sleep(clock, Math.max(asked, backoffMs(this.#failures, backoff, random)), signal)
        this.#failures += 1
      }
    }
  }

  #well(): void {
    this.#failures = 0
    this.#lastError = undefined
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, cache, pageSize = 500 } = this.#options
    const items: T[] = []
    let page = await client.list(cache.kind, { limit: pageSize, signal })
    items.push(...page.items)
    while (page.continueAt !== undefined && !signal.aborted) {
      try {
        page = await client.list(cache.kind, { limit: pageSize, continueAt: page.continueAt, signal })
      } catch (error) {
        if (!isGone(error)) throw error
        // The store was compacted between two pages. One answer cannot be cut in two, however long it is.
        this.#options.onError(error, 'list')
        items.length = 0
        page = await client.list(cache.kind, { signal })
      }
      items.push(...page.items)
    }
    if (!signal.aborted) cache.replace(items, page.resourceVersion)
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, cache, clock, random, silenceMs = 90_000, watchSeconds = 300 } = this.#options
    const timeoutSeconds = Math.round(watchSeconds * (1 + random()))
    const began = clock.now()
    let heard = false
    this.#options.onWatch?.()
    const events = client.watch(cache.kind, {
      resourceVersion: cache.resourceVersion,
      timeoutSeconds,
      silenceMs,
      signal,
    })
    for await (const event of events) {
      if (!heard) this.#well()
      heard = true
      if (event.type === 'BOOKMARK') cache.bookmark(event.resourceVersion)
      else cache.watched(event.type, event.object)
    }
    if (heard || clock.now() - began >= shortWatchMs) return this.#well()
    throw new KubeError('the watch ended at once', { status: 0, reason: 'ShortWatch' })
  }
}

/**
 * True when the watch can go on from the last version heard: the line was cut, the server is busy or was silent. After all
 * else (410, an event that cannot be read, a version the server does not know) only a list tells what was missed.
 */
function canResume(error: unknown): boolean {
  if (!(error instanceof KubeError)) return false
  if (error.status === 0) return error.reason !== 'Malformed'
  return error.status === 429 || error.status === 503
}
