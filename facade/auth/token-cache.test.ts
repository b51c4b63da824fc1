import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { type Review, TokenCache, type TokenCacheOptions } from './token-cache.ts'

const alice: Review = { identity: { user: 'alice', groups: [] } }
const code = (expected: 'UNAUTHENTICATED' | 'BACKEND_UNAVAILABLE') => (error: unknown) => isBlastyError(error, expected)

/** A cache whose reviews and clock the test holds. */
function cacheWith(options: Partial<TokenCacheOptions> = {}) {
  const state = {
    now: 0,
    reviewed: [] as string[],
    answer: async (_token: string): Promise<Review> => alice,
  }
  const cache = new TokenCache({
    review: token => {
      state.reviewed.push(token)
      return state.answer(token)
    },
    now: () => state.now,
    ...options,
  })
  return { state, cache }
}
const down = async () => {
  throw new Error('connect ECONNREFUSED')
}

describe('a cache of tokens', () => {
  it('reviews a token once in its time to live', async () => {
    const { state, cache } = cacheWith({ ttlSeconds: 60 })
    assert.equal((await cache.identify('t')).user, 'alice')
    state.now = 59_999
    await cache.identify('t')
    assert.equal(state.reviewed.length, 1)
    state.now = 60_000
    await cache.identify('t')
    assert.equal(state.reviewed.length, 2)
  })

  it('reviews a token once for all the calls that wait for it', async () => {
    const { state, cache } = cacheWith()
    const gate = Promise.withResolvers<Review>()
    state.answer = () => gate.promise
    const calls = Promise.all([cache.identify('t'), cache.identify('t'), cache.identify('t')])
    gate.resolve(alice)
    assert.deepEqual(new Set((await calls).map(({ user }) => user)), new Set(['alice']))
    assert.deepEqual(state.reviewed, ['t'])
  })

  it('remembers a refusal, for a shorter time', async () => {
    const { state, cache } = cacheWith({ refusedTtlSeconds: 10 })
    state.answer = async () => ({ refused: 'the token is not valid' })
    await assert.rejects(cache.identify('bad'), code('UNAUTHENTICATED'))
    await assert.rejects(cache.identify('bad'), code('UNAUTHENTICATED'))
    assert.equal(state.reviewed.length, 1)
    state.now = 10_000
    state.answer = async () => alice
    assert.equal((await cache.identify('bad')).user, 'alice')
  })

  it('forgets an identity at once when a review refuses its token', async () => {
    const { state, cache } = cacheWith({ ttlSeconds: 60, refusedTtlSeconds: 10 })
    await cache.identify('t')
    state.now = 60_000
    state.answer = async () => ({ refused: 'revoked' })
    await assert.rejects(cache.identify('t'), code('UNAUTHENTICATED'))
    state.now = 75_000
    state.answer = down
    await assert.rejects(cache.identify('t'), code('BACKEND_UNAVAILABLE'))
  })

  it('never uses an identity beyond the end of its token', async () => {
    const { state, cache } = cacheWith({ ttlSeconds: 60 })
    state.answer = async () => ({ ...alice, expiresAt: 30_000 })
    await cache.identify('t')
    state.now = 30_000
    state.answer = down
    await assert.rejects(cache.identify('t'), code('BACKEND_UNAVAILABLE'))
  })

  it('serves those it knows for a bounded time while the apiserver is down, and refuses the others', async () => {
    const { state, cache } = cacheWith({ ttlSeconds: 60, maxStaleSeconds: 600, retrySeconds: 5 })
    await cache.identify('t')
    state.answer = down
    state.now = 60_000
    assert.equal((await cache.identify('t')).user, 'alice')
    assert.equal((await cache.identify('t')).user, 'alice')
    assert.equal(state.reviewed.length, 2, 'a failing review is not repeated for every call')
    await assert.rejects(cache.identify('unknown'), code('BACKEND_UNAVAILABLE'))
    state.now = 599_999
    assert.equal((await cache.identify('t')).user, 'alice')
    state.now = 600_000 + 5_000
    await assert.rejects(cache.identify('t'), code('BACKEND_UNAVAILABLE'))
  })

  it('keeps within its capacity, and bad tokens drive out no good one', async () => {
    const { state, cache } = cacheWith({ capacity: 2 })
    await cache.identify('good')
    state.answer = async () => ({ refused: 'no' })
    for (let i = 0; i < 10; i++) await assert.rejects(cache.identify(`bad${i}`), code('UNAUTHENTICATED'))
    await cache.identify('good')
    assert.equal(state.reviewed.filter(token => token === 'good').length, 1)
    state.answer = async () => alice
    await cache.identify('second')
    await cache.identify('third')
    await cache.identify('good')
    assert.equal(state.reviewed.filter(token => token === 'good').length, 2, 'the oldest made room')
  })

  it('refuses more reviews at once than it allows', async () => {
    const { state, cache } = cacheWith({ maxReviews: 1 })
    const gate = Promise.withResolvers<Review>()
    state.answer = () => gate.promise
    const first = cache.identify('a')
    await assert.rejects(cache.identify('b'), code('BACKEND_UNAVAILABLE'))
    gate.resolve(alice)
    await first
  })
})
