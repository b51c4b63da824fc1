/** An object store of which chosen requests go wrong, in the ways a network, a store and a process do. */

import type { ObjectStore } from '../../backends/object-store/store.ts'
import { BlastyError } from '../../base/errors.ts'
import { unlessAborted } from '../../base/unless-aborted.ts'

/**
 * What becomes of a request. `unsent`: it never leaves · `unanswered`: the store does its work and the answer is lost · `late`: as
 * unsent, but it arrives when all is over · `killed`: the process dies before or behind it · `paused`: it stands still there, until
 * another has done all the work.
 */
export const storeFaults = [
  'unsent',
  'unanswered',
  'late',
  'killed before',
  'killed behind',
  'paused before',
  'paused behind',
] as const
export type StoreFault = (typeof storeFaults)[number]

export type StruckStore = {
  readonly objects: ObjectStore
  readonly requests: () => number
  /** Lets a paused process go on. */
  readonly resume: () => void
  /** Ends the requests that hang, and lets late ones arrive. */
  readonly release: () => Promise<void>
}

const gone = () => new BlastyError('BACKEND_UNAVAILABLE', { backend: 'object store', problem: 'the network is gone' })

/** A store of which the requests that `chosen` names by their numbers, from 1, go wrong. `onStill`: the process stands still, or died. */
export function struckStore(
  objects: ObjectStore,
  chosen: (number: number) => boolean,
  fault: StoreFault,
  onStill: () => void = () => {},
): StruckStore {
  let requests = 0
  let dead = false
  const held: (() => Promise<unknown>)[] = []
  let bury = () => {}
  const buried = new Promise<void>(resolve => {
    bury = resolve
  })
  let resume = () => {}
  const resumed = new Promise<void>(resolve => {
    resume = resolve
  })
  const never = async (): Promise<never> => {
    await buried
    throw gone()
  }
  const struck = async <T>(request: () => Promise<T>): Promise<T> => {
    switch (fault) {
      case 'unsent':
        throw gone()
      case 'unanswered':
        await request()
        throw gone()
      case 'late':
        held.push(request)
        throw gone()
      case 'killed before':
      case 'killed behind':
        if (fault === 'killed behind') await request()
        dead = true
        onStill()
        return never()
      case 'paused before':
        onStill()
        await resumed
        return request()
      case 'paused behind': {
        const answer = await request()
        onStill()
        await resumed
        return answer
      }
    }
  }
  const asked = async <T>(request: () => Promise<T>): Promise<T> => {
    if (dead) return never()
    return chosen(++requests) ? struck(request) : request()
  }
  const faulty: ObjectStore = {
    ...objects,
    get: (...args) => asked(() => objects.get(...args)),
    put: (...args) => asked(() => objects.put(...args)),
    head: (...args) => asked(() => objects.head(...args)),
    upload: (...args) => asked(() => objects.upload(...args)),
    download: (...args) => asked(() => objects.download(...args)),
    remove: (...args) => asked(() => objects.remove(...args)),
    list: async function* (...args) {
      yield* await asked(() => Array.fromAsync(objects.list(...args)))
    },
    until: () => faulty,
  }
  return {
    requests: () => requests,
    resume,
    release: async () => {
      bury()
      for (const request of held.splice(0)) await request().catch(() => {})
    },
    objects: faulty,
  }
}

export type SilentStore = {
  readonly objects: ObjectStore
  /** Resolves when a request has come that is not answered. */
  readonly asked: Promise<void>
  /** Requests under way that are not answered, and that no signal has ended. */
  readonly pending: () => number
  /** Answers what is under way, and all that comes. */
  readonly speak: () => void
}

/** A store that does not answer the requests that `silent` names, by their keys or prefixes and by their numbers, from 1. */
export function silentStore(
  objects: ObjectStore,
  silent: (key: string, number: number) => boolean = () => true,
): SilentStore {
  const asked = Promise.withResolvers<void>()
  const answers = Promise.withResolvers<void>()
  let requests = 0
  let pending = 0
  const within = (store: ObjectStore, signal: AbortSignal): ObjectStore => {
    const answered = async <T>(key: string, request: () => Promise<T>): Promise<T> => {
      if (!silent(key, ++requests)) return request()
      pending++
      asked.resolve()
      await unlessAborted(answers.promise, signal)
        .catch(() => Promise.reject(gone()))
        .finally(() => pending--)
      return request()
    }
    return {
      ...store,
      get: (bucket, key) => answered(key, () => store.get(bucket, key)),
      put: (bucket, key, ...rest) => answered(key, () => store.put(bucket, key, ...rest)),
      head: (bucket, key) => answered(key, () => store.head(bucket, key)),
      upload: (bucket, key, ...rest) => answered(key, () => store.upload(bucket, key, ...rest)),
      download: (bucket, key, ...rest) => answered(key, () => store.download(bucket, key, ...rest)),
      remove: (bucket, keys) => answered(keys[0] ?? '', () => store.remove(bucket, keys)),
      list: async function* (bucket, prefix, ...rest) {
        yield* await answered(prefix, () => Array.fromAsync(store.list(bucket, prefix, ...rest)))
      },
      until: next => within(objects.until(next), next),
    }
  }
  return {
    objects: within(objects, new AbortController().signal),
    asked: asked.promise,
    pending: () => pending,
    speak: () => answers.resolve(),
  }
}
