/** Who a bearer token belongs to, remembered for a while, so that not every call asks the apiserver. */

import { hash } from 'node:crypto'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import type { Identity } from './identity.ts'

/** What a review of a token found. `expiresAt`: milliseconds since 1970, when the token itself tells. */
export type Review = { readonly identity: Identity; readonly expiresAt?: number } | { readonly refused: string }

/** Asks who a token belongs to. Rejects when that cannot be found out now. */
export type ReviewToken = (token: string, signal: AbortSignal) => Promise<Review>

export type TokenCacheOptions = {
  readonly review: ReviewToken
  /** How long an identity is used without asking again. Default 60. */
  readonly ttlSeconds?: number
  /** How long a refusal is used without asking again. Default 10. */
  readonly refusedTtlSeconds?: number
  /** How long after its review an identity is still used while no review succeeds. Default 600. */
  readonly maxStaleSeconds?: number
  /** How long reviews that fail are left alone while stale identities serve. Default 5. */
  readonly retrySeconds?: number
  readonly reviewTimeoutSeconds?: number
  /** Identities kept, and as many refusals apart, so that a flood of bad tokens drives out no good one. Default 10,000. */
  readonly capacity?: number
  /** Reviews under way at once; more are refused at once. Default 64. */
  readonly maxReviews?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

type Known = {
  readonly identity: Identity
  freshUntil: number
  readonly staleUntil: number
  readonly expiresAt: number
}

const maxTokenLength = 16_384

/** Identities by the SHA-256 of their token; tokens themselves are not kept. */
export class TokenCache {
  readonly #review: ReviewToken
  readonly #ttl: number
  readonly #refusedTtl: number
  readonly #maxStale: number
  readonly #retry: number
  readonly #timeout: number
  readonly #capacity: number
  readonly #maxReviews: number
  readonly #now: () => number
  readonly #known = new Map<string, Known>()
  readonly #refused = new Map<string, { readonly problem: string; readonly until: number }>()
  readonly #reviews = new Map<string, Promise<Identity>>()

  constructor(options: TokenCacheOptions) {
    this.#review = options.review
    this.#ttl = (options.ttlSeconds ?? 60) * 1000
    this.#refusedTtl = (options.refusedTtlSeconds ?? 10) * 1000
    this.#maxStale = (options.maxStaleSeconds ?? 600) * 1000
    this.#retry = (options.retrySeconds ?? 5) * 1000
    this.#timeout = (options.reviewTimeoutSeconds ?? 5) * 1000
    this.#capacity = options.capacity ?? 10_000
    this.#maxReviews = options.maxReviews ?? 64
    this.#now = options.now ?? Date.now
  }

  /**
   * The identity of a token.
   * @throws BlastyError UNAUTHENTICATED when it is refused, BACKEND_UNAVAILABLE when that cannot be found out
   */
  async identify(token: string): Promise<Identity> {
    if (token.length > maxTokenLength) throw new BlastyError('UNAUTHENTICATED', { problem: 'the token is too long' })
    const key = hash('sha256', token, 'base64')
    const now = this.#now()
    const known = this.#known.get(key)
    if (known && now < known.freshUntil && now < known.expiresAt) return known.identity
    const refused = this.#refused.get(key)
    if (refused && now < refused.until) throw new BlastyError('UNAUTHENTICATED', { problem: refused.problem })

    try {
      return await this.#reviewOnce(key, token)
    } catch (error) {
      const stale = this.#known.get(key)
      const usable = stale && this.#now() < Math.min(stale.staleUntil, stale.expiresAt)
      if (!usable || !isBlastyError(error, 'BACKEND_UNAVAILABLE')) throw error
      stale.freshUntil = this.#now() + this.#retry
      return stale.identity
    }
  }

  /** Calls with one token share its review. */
  #reviewOnce(key: string, token: string): Promise<Identity> {
    const running = this.#reviews.get(key)
    if (running) return running
    if (this.#reviews.size >= this.#maxReviews) {
      return Promise.reject(unavailable('too many tokens are being reviewed'))
    }
    const review = this.#reviewNow(key, token).finally(() => this.#reviews.delete(key))
    this.#reviews.set(key, review)
    return review
  }

  async #reviewNow(key: string, token: string): Promise<Identity> {
    const review = await this.#review(token, AbortSignal.timeout(this.#timeout)).catch((cause: unknown) => {
      throw unavailable('tokens cannot be reviewed now', cause)
    })
    const now = this.#now()
    if ('refused' in review) {
      this.#known.delete(key)
      remember(this.#refused, key, { problem: review.refused, until: now + this.#refusedTtl }, this.#capacity)
      throw new BlastyError('UNAUTHENTICATED', { problem: review.refused })
    }
    const { identity, expiresAt = Number.POSITIVE_INFINITY } = review
    const entry = { identity, freshUntil: now + this.#ttl, staleUntil: now + this.#maxStale, expiresAt }
    remember(this.#known, key, entry, this.#capacity)
    return identity
  }
}

/** Sets an entry as the newest and drops the oldest beyond the capacity. */
function remember<T>(map: Map<string, T>, key: string, value: T, capacity: number): void {
  map.delete(key)
  map.set(key, value)
  for (const oldest of map.keys()) {
    if (map.size <= capacity) return
    map.delete(oldest)
  }
}

const unavailable = (problem: string, cause?: unknown): BlastyError =>
  new BlastyError('BACKEND_UNAVAILABLE', { backend: 'Kubernetes API', problem }, { cause })
