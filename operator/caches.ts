/** The caches of all kinds that an operator watches. */
import { Cache, type CacheReader } from './cache.ts'
import { type Kind, type KubeObject, resourceName } from './kind.ts'

/** Reads what is watched; throws when a kind is not, which is a mistake in the declaration of a controller. */
export type Reader = <T extends KubeObject>(kind: Kind<T>) => CacheReader<T>

export class Caches {
  readonly #caches = new Map<string, Cache<KubeObject>>()
  readonly #onHandlerError: (kind: Kind, error: unknown) => void

  constructor(onHandlerError: (kind: Kind, error: unknown) => void) {
    this.#onHandlerError = onHandlerError
  }

  /** The cache of a kind, made at the first call. */
  open<T extends KubeObject>(kind: Kind<T>): Cache<T> {
    const name = resourceName(kind)
    const known = this.#caches.get(name)
    // What was stored under this name was made below, from a kind of the same name, and so holds its type.
    if (known !== undefined) return known as unknown as Cache<T>
    const cache = new Cache(kind, error => this.#onHandlerError(kind, error))
    this.#caches.set(name, cache as unknown as Cache<KubeObject>)
    return cache
  }

  readonly read: Reader = kind => {
    if (this.#caches.has(resourceName(kind))) return this.open(kind)
    throw new Error(`${resourceName(kind)} is not watched: name it in watches or reads`)
  }

  all(): Cache<KubeObject>[] {
    return [...this.#caches.values()]
  }

  /** True when the first list of every kind is in. */
  get synced(): boolean {
    return this.all().every(cache => cache.synced)
  }

  async whenSynced(): Promise<void> {
    await Promise.all(this.all().map(cache => cache.whenSynced()))
  }
}
