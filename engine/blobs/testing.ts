/** What tests of blobs share: a bucket of their own, content, and a store whose calls fail, wait, or see another time. */

import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { type ObjectStore, objectStore } from '../../backends/object-store/store.ts'
import { BlastyError } from '../../base/errors.ts'
import { testStack } from '../../devstack/testing.ts'
import type { BlobPlace, BlobRef } from './content.ts'

export type TestBucket = BlobPlace & {
  readonly keys: (prefix?: string) => Promise<string[]>
  readonly close: () => Promise<void>
}

/** A new bucket on the shared server; `close` removes it with all that it holds. */
export async function testBucket(): Promise<TestBucket> {
  const stack = await testStack('objectStore')
  const objects = objectStore({ ...stack.objectStore, pathStyle: true })
  const bucket = `test-${randomUUID()}`
  await objects.makeBucket(bucket)
  const keys = async (prefix = '') => (await Array.fromAsync(objects.list(bucket, prefix))).map(({ key }) => key)
  const close = async () => {
    await objects.remove(bucket, await keys())
    await objects.removeBucket(bucket)
  }
  return { objects, bucket, table: 'test/films', keys, close }
}

export const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

export const refOf = (bytes: Uint8Array, type = 'image/jpeg'): BlobRef => ({
  sha256: hashOf(bytes),
  size: bytes.length,
  type,
})

/** The bytes as a stream. */
export async function* chunksOf(bytes: Uint8Array, size = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** Runs around each call of the store. `call` does it; the result may be another's. */
export type Around = <T>(name: keyof ObjectStore, call: () => Promise<T>) => Promise<T>

/** A store whose calls go through `around`; a listing is read whole inside its call. */
export function wrappedObjects(objects: ObjectStore, around: Around): ObjectStore {
  return {
    ...objects,
    get: (...args) => around('get', () => objects.get(...args)),
    put: (...args) => around('put', () => objects.put(...args)),
    head: (...args) => around('head', () => objects.head(...args)),
    upload: (...args) => around('upload', () => objects.upload(...args)),
    download: (...args) => around('download', () => objects.download(...args)),
    copy: (...args) => around('copy', () => objects.copy(...args)),
    remove: (...args) => around('remove', () => objects.remove(...args)),
    list: async function* (...args) {
      yield* await around('list', () => Array.fromAsync(objects.list(...args)))
    },
  }
}

/** `unsent`: the request never arrives · `unanswered`: the store does its work and the answer is lost. */
export type ObjectFault = 'unsent' | 'unanswered'
export const objectFaults: readonly ObjectFault[] = ['unsent', 'unanswered']

/** A store that fails at its `at`-th call, from 1, and, as when the process dies there, at all calls after it. */
export function dyingObjects(objects: ObjectStore, at: number, fault: ObjectFault) {
  let calls = 0
  const dead = () => new BlastyError('BACKEND_UNAVAILABLE', { backend: 'object store', problem: 'the network is gone' })
  const store = wrappedObjects(objects, async (_, call) => {
    const number = ++calls
    if (number < at) return call()
    if (number === at && fault === 'unanswered') await call()
    throw dead()
  })
  return { objects: store, survived: () => calls < at }
}

/** A store that says of what is made through it that it was made at the time of `now`; of the rest it tells the truth. */
export function clockedObjects(objects: ObjectStore, now: () => number): ObjectStore {
  const made = new Map<string, number>()
  const note =
    <A extends readonly unknown[], R>(key: (...args: A) => string, call: (...args: A) => Promise<R>) =>
    (...args: A) => {
      made.set(key(...args), now())
      return call(...args)
    }
  return {
    ...objects,
    put: note(
      (_, key) => key,
      (...args: Parameters<ObjectStore['put']>) => objects.put(...args),
    ),
    upload: note(
      (_, key) => key,
      (...args: Parameters<ObjectStore['upload']>) => objects.upload(...args),
    ),
    copy: note(
      (_, __, to) => to,
      (...args: Parameters<ObjectStore['copy']>) => objects.copy(...args),
    ),
    list: async function* (...args) {
      for await (const object of objects.list(...args)) {
        yield { ...object, modified: made.get(object.key) ?? object.modified }
      }
    },
  }
}

/** A store in memory, for what is tried in thousands of interleavings: what blobs need of one and no more. */
export function memoryObjects(): ObjectStore {
  const held = new Map<string, Buffer>()
  const calls: Partial<ObjectStore> = {
    upload: async (_, key, body) => {
      held.set(key, Buffer.concat(await Array.fromAsync(body)))
    },
    copy: async (_, from, to) => {
      const body = held.get(from)
      if (body !== undefined) held.set(to, body)
      return body !== undefined
    },
    remove: async (_, keys) => {
      for (const key of keys) held.delete(key)
    },
    list: async function* (_, prefix) {
      const found = [...held].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1))
      for (const [key, { length: size }] of found) yield { key, size, modified: Number.NaN }
    },
    presignPut: async () => ({ url: '', headers: {} }),
  }
  return new Proxy(calls as ObjectStore, {
    get: (_, name) => Reflect.get(calls, name) ?? assert.fail(`the store in memory has no ${String(name)}`),
  })
}
