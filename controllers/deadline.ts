/** A bound on how long an object store is waited for; its client has none of its own. */

import type { ObjectStore } from '../backends/object-store/store.ts'
import { BlastyError } from '../base/errors.ts'

/** Settles as `promise` does, or rejects with BACKEND_UNAVAILABLE after `millis`. */
export async function within<T>(millis: number, backend: string, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const problem = `no answer in ${millis / 1000} s`
  const timer = setTimeout(() => reject(new BlastyError('BACKEND_UNAVAILABLE', { backend, problem })), millis)
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The store with a bound on each of the requests that the controllers make. */
export function bounded(store: ObjectStore, millis: number): ObjectStore {
  const soon = <T>(promise: Promise<T>) => within(millis, 'object store', promise)
  return {
    ...store,
    bucketExists: bucket => soon(store.bucketExists(bucket)),
    makeBucket: bucket => soon(store.makeBucket(bucket)),
    removeBucket: bucket => soon(store.removeBucket(bucket)),
    get: (bucket, key) => soon(store.get(bucket, key)),
    put: (bucket, key, body, options) => soon(store.put(bucket, key, body, options)),
    head: (bucket, key) => soon(store.head(bucket, key)),
    remove: (bucket, keys) => soon(store.remove(bucket, keys)),
    list: async function* (bucket, prefix, options) {
      const keys = store.list(bucket, prefix, options)
      try {
        for (let next = await soon(keys.next()); next.done !== true; next = await soon(keys.next())) yield next.value
      } finally {
        // Not waited for: a generator that hangs in a request does not end either.
        keys.return(undefined).catch(() => undefined)
      }
    },
    until: signal => bounded(store.until(signal), millis),
  }
}
