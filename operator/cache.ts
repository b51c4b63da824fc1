/** The objects of one kind as last heard, by key and by named indexes. */
import { compareResourceVersions, type Key, type Kind, type KubeObject, keyOf } from './kind.ts'

/** What happened to an object. `old` is what the cache held before. */
export type Delta<T> =
  | { readonly type: 'Added'; readonly object: T }
  | { readonly type: 'Modified'; readonly object: T; readonly old: T }
  | { readonly type: 'Deleted'; readonly object: T }

/** Finds objects by something else than their name. Declare it once, as a constant. */
export interface Index<T extends KubeObject> {
  readonly kind: Kind<T>
  readonly values: (object: T) => Iterable<string>
}

/** An index over a kind: `const byTable = defineIndex(indexes, i => [i.spec.tableRef.name])`. `values` must be pure. */
export function defineIndex<T extends KubeObject>(kind: Kind<T>, values: Index<T>['values']): Index<T> {
  return { kind, values }
}

export type DeltaHandler<T> = (delta: Delta<T>) => void

/** What others may do with a cache. Objects are frozen, and without their managed fields. */
export interface CacheReader<T extends KubeObject> {
  get(key: Key): T | undefined
  /** All objects, or those of a namespace; in no order. */
  list(namespace?: string): T[]
  by(index: Index<T>, value: string): T[]
  readonly size: number
}

/**
 * One reflector writes to it. Answers to our own writes may be put in too, so that the next reconcile sees them; the
 * event that follows with the same resource version is then no news.
 */
export class Cache<T extends KubeObject> implements CacheReader<T> {
  readonly kind: Kind<T>
  readonly #objects = new Map<Key, T>()
  readonly #indexes = new Map<Index<T>, Map<string, Map<Key, T>>>()
  readonly #handlers = new Set<DeltaHandler<T>>()
  readonly #onHandlerError: (error: unknown) => void
  #seen = '0'
  readonly #sync = Promise.withResolvers<void>()
  #synced = false

  /** `onHandlerError` gets what a handler throws; the other handlers are still called. */
  constructor(kind: Kind<T>, onHandlerError: (error: unknown) => void) {
    this.kind = kind
    this.#onHandlerError = onHandlerError
  }

  get(key: Key): T | undefined {
    return this.#objects.get(key)
  }

  list(namespace?: string): T[] {
    const all = [...this.#objects.values()]
    return namespace === undefined ? all : all.filter(object => object.metadata.namespace === namespace)
  }

  by(index: Index<T>, value: string): T[] {
    return [...(this.#indexed(index).get(value)?.values() ?? [])]
  }

  get size(): number {
    return this.#objects.size
  }

  /** True once the first list is in, with all handlers told. */
  get synced(): boolean {
    return this.#synced
  }

  /** Resolves when `synced` becomes true. */
  whenSynced(): Promise<void> {
    return this.#sync.promise
  }

  /** The last resource version heard of by list or watch. */
  get resourceVersion(): string {
    return this.#seen
  }

  /** Tells `handler` of every later change, in order, and of what is here already as Added. */
  subscribe(handler: DeltaHandler<T>): () => void {
    this.#handlers.add(handler)
    for (const object of this.#objects.values()) this.#tell(handler, { type: 'Added', object })
    return () => this.#handlers.delete(handler)
  }

  /** An event of the watch. What is older than the object held (we wrote since) is passed over. */
  watched(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void {
    this.bookmark(object.metadata.resourceVersion)
    const held = this.#objects.get(keyOf(object))
    if (held !== undefined && isNewer(held, object)) return
    if (type === 'DELETED') this.#remove(object)
    else this.#store(object)
  }

  bookmark(resourceVersion: string): void {
    if (compareResourceVersions(resourceVersion, this.#seen) > 0) this.#seen = resourceVersion
  }

  /**
   * A whole list takes the place of what was here; handlers hear only of differences. Objects we wrote while the list was
   * made stay, unless the list is from before what the watch told (the server's store was restored): then all is replaced.
   */
  replace(objects: readonly T[], resourceVersion: string): void {
    const restored = compareResourceVersions(resourceVersion, this.#seen) < 0
    this.#seen = resourceVersion
    const listed = new Set<Key>()
    for (const object of objects) {
      const key = keyOf(object)
      listed.add(key)
      const held = this.#objects.get(key)
      if (restored || held === undefined || !isNewer(held, object)) this.#store(object)
    }
    for (const [key, held] of [...this.#objects]) {
      const ours = !restored && compareResourceVersions(held.metadata.resourceVersion, resourceVersion) > 0
      if (!listed.has(key) && !ours) this.#remove(held)
    }
    this.#synced = true
    this.#sync.resolve()
  }

  /** The answer to one of our own writes. Passed over when the watch is already past it. */
  written(object: T): void {
    const version = object.metadata.resourceVersion
    if (compareResourceVersions(version, this.#seen) <= 0) return
    const held = this.#objects.get(keyOf(object))
    if (held === undefined || compareResourceVersions(version, held.metadata.resourceVersion) > 0) this.#store(object)
  }

  #store(given: T): void {
    const key = keyOf(given)
    const old = this.#objects.get(key)
    if (old?.metadata.resourceVersion === given.metadata.resourceVersion && old.metadata.uid === given.metadata.uid)
      return
    const object = deepFreeze(withoutManagers(given))
    this.#objects.set(key, object)
    for (const [index, entries] of this.#indexes) {
      if (old !== undefined) unindex(index, entries, key, old)
      enter(index, entries, key, object)
    }
    this.#tellAll(old === undefined ? { type: 'Added', object } : { type: 'Modified', object, old })
  }

  #remove(given: T): void {
    const key = keyOf(given)
    const old = this.#objects.get(key)
    if (old === undefined) return
    this.#objects.delete(key)
    for (const [index, entries] of this.#indexes) unindex(index, entries, key, old)
    this.#tellAll({ type: 'Deleted', object: deepFreeze(given) })
  }

  #indexed(index: Index<T>): Map<string, Map<Key, T>> {
    const known = this.#indexes.get(index)
    if (known !== undefined) return known
    const entries = new Map<string, Map<Key, T>>()
    for (const [key, object] of this.#objects) enter(index, entries, key, object)
    this.#indexes.set(index, entries)
    return entries
  }

  #tellAll(delta: Delta<T>): void {
    for (const handler of this.#handlers) this.#tell(handler, delta)
  }

  #tell(handler: DeltaHandler<T>, delta: Delta<T>): void {
    try {
      handler(delta)
    } catch (error) {
      this.#onHandlerError(error)
    }
  }
}

/** Who owns which field is half of an object, and nobody reads it here. */
function withoutManagers<T extends KubeObject>(object: T): T {
  if (object.metadata.managedFields === undefined) return object
  const { managedFields: _, ...metadata } = object.metadata
  return { ...object, metadata }
}

function isNewer(held: KubeObject, than: KubeObject): boolean {
  return compareResourceVersions(held.metadata.resourceVersion, than.metadata.resourceVersion) > 0
}

function enter<T extends KubeObject>(index: Index<T>, entries: Map<string, Map<Key, T>>, key: Key, object: T): void {
  for (const value of index.values(object)) {
    const found = entries.get(value)
    if (found === undefined) entries.set(value, new Map([[key, object]]))
    else found.set(key, object)
  }
}

function unindex<T extends KubeObject>(index: Index<T>, entries: Map<string, Map<Key, T>>, key: Key, old: T): void {
  for (const value of index.values(old)) {
    const found = entries.get(value)
    found?.delete(key)
    if (found?.size === 0) entries.delete(value)
  }
}

/** Freezes a JSON value and all it holds. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const part of Object.values(value)) deepFreeze(part)
  }
  return value
}
