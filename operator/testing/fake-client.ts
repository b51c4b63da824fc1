/** An API server in memory for tests of what is asked of it and in which order. It merges only what those tests patch. */
import type { KubeClient } from '../client.ts'
import { isRecord, type Key, type Kind, type KubeObject, keyFor, keyOf } from '../kind.ts'
import { errorFromAnswer } from '../kube-error.ts'

export interface FakeServer {
  readonly client: KubeClient
  /** What was asked for, in order: `replace status widgets/x`. */
  readonly calls: string[]
  readonly objects: Map<Key, Record<string, unknown>>
  /** Runs before each call and may throw in its stead. */
  before: (call: string) => void
}

export function fakeServer(): FakeServer {
  const calls: string[] = []
  const objects: FakeServer['objects'] = new Map()
  let version = 100

  const ask = (call: string) => {
    calls.push(call)
    server.before(call)
  }
  const held = <T extends KubeObject>(kind: Kind<T>, key: Key): Record<string, unknown> => {
    const object = objects.get(key)
    if (object === undefined) throw errorFromAnswer(`get ${key}`, 404, { reason: 'NotFound' })
    return { apiVersion: kind.apiVersion, kind: kind.kind, ...object }
  }
  const unchanged = <T extends KubeObject>(kind: Kind<T>, key: Key, since: unknown): Record<string, unknown> => {
    const object = held(kind, key)
    const now = isRecord(object.metadata) ? object.metadata.resourceVersion : undefined
    if (since !== undefined && since !== now) throw errorFromAnswer(`change ${key}`, 409, { reason: 'Conflict' })
    return object
  }
  const store = <T extends KubeObject>(kind: Kind<T>, key: Key, object: Record<string, unknown>): T => {
    const metadata = isRecord(object.metadata) ? object.metadata : {}
    const stored = { ...object, metadata: { uid: `uid-${key}`, ...metadata, resourceVersion: String(version++) } }
    objects.set(key, stored)
    return kind.decode(structuredClone(stored))
  }
  const merged = (object: Record<string, unknown>, patch: object) => {
    const part = isRecord(patch) ? patch : {}
    const metadata = {
      ...(isRecord(object.metadata) && object.metadata),
      ...(isRecord(part.metadata) && part.metadata),
    }
    return { ...object, ...part, metadata }
  }

  const client: KubeClient = {
    async get(kind, key) {
      ask(`get ${key}`)
      return kind.decode(structuredClone(held(kind, key)))
    },
    async list() {
      throw new Error('not faked')
    },
    // biome-ignore lint/correctness/useYield: it fails at once
    async *watch() {
      throw new Error('not faked')
    },
    async create(kind, object, namespace) {
      ask(`create ${kind.plural}`)
      const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {}
      return store(kind, keyFor(String(metadata.name), namespace), { ...object })
    },
    async patch(kind, key, patch, options) {
      ask(`patch ${options.type} ${key}`)
      const given = isRecord(patch) && isRecord(patch.metadata) ? patch.metadata.resourceVersion : undefined
      return store(kind, key, merged(unchanged(kind, key, given), patch))
    },
    async replaceStatus(kind, object) {
      const key = keyOf(object)
      ask(`replace status ${key}`)
      const status = 'status' in object ? object.status : undefined
      return store(kind, key, { ...unchanged(kind, key, object.metadata.resourceVersion), status })
    },
    async delete(_kind, key) {
      ask(`delete ${key}`)
      objects.delete(key)
    },
    api: () => {
      throw new Error('not faked')
    },
    async close() {},
  }
  const server: FakeServer = { client, calls, objects, before: () => {} }
  return server
}
