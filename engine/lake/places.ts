/**
 * Where the rows of a keyed Table lie in the lake: key to file and position. A cache, never emptied of what has moved: a place
 * counts only while its file is live and its position is not deleted, and at any version a key has one such place at most.
 */

import { join } from 'node:path'
import type { Database, RootDatabase } from 'lmdb'
import { binary, openCacheStore } from '../replica/cache-store.ts'

export type Place = { readonly file: string; readonly position: number }

const format = 1
const entriesAtOnce = 10_000

export class Places {
  readonly #root: RootDatabase<Buffer, string>
  readonly #places: Database<Buffer, Buffer>
  readonly #files: Database<string, string>
  /** Files whose every row is noted, by path, and their numbers. */
  readonly #numbers = new Map<string, number>()
  readonly #paths = new Map<number, string>()
  #last = 0

  /** `erased`: up to where the lake's erasures are done. What was noted before, keys that are to be forgotten among it, is dropped. */
  constructor(
    directory: string,
    { erased = 0, ...identity }: { readonly tableUid: string; readonly epoch: number; readonly erased?: number },
  ) {
    this.#root = openCacheStore(join(directory, 'places'), { format, ...identity, ...(erased > 0 && { erased }) })
    this.#places = this.#root.openDB('places', binary)
    this.#files = this.#root.openDB('files', { encoding: 'string' })
    for (const { key, value } of this.#files.getRange()) this.#name(value, Number(key))
    this.#last = Math.max(this.#last, Number(this.#root.getBinary('last')?.toString() ?? 0))
  }

  /** Whether the rows of a file are noted. */
  knows(file: string): boolean {
    return this.#numbers.has(file)
  }

  /** The last place noted for a key; it may not count any more. */
  find(key: Buffer): Place | undefined {
    const bytes = this.#places.getBinary(key)
    const file = bytes === undefined ? undefined : this.#paths.get(bytes.readUInt32BE(0))
    return bytes === undefined || file === undefined ? undefined : { file, position: bytes.readUInt32BE(4) }
  }

  /** Notes rows of a file. It counts as known from `finish` on. */
  note(file: string): { readonly add: (key: Buffer, position: number) => void; readonly finish: () => void } {
    const number = ++this.#last
    // A number that was used is never used again, or what was noted half would count for another file.
    this.#root.putSync('last', Buffer.from(String(number)))
    let waiting: { readonly key: Buffer; readonly position: number }[] = []
    const flush = () => {
      this.#root.transactionSync(() => {
        for (const { key, position } of waiting) {
          const place = Buffer.allocUnsafe(8)
          place.writeUInt32BE(number, 0)
          place.writeUInt32BE(position, 4)
          this.#places.putSync(key, place)
        }
      })
      waiting = []
    }
    return {
      add: (key, position) => {
        if (waiting.push({ key, position }) >= entriesAtOnce) flush()
      },
      finish: () => {
        flush()
        this.#files.putSync(String(number), file)
        this.#name(file, number)
      },
    }
  }

  /** Forgets files that are no longer live. */
  keepOnly(live: ReadonlyMap<string, unknown>): void {
    for (const [file, number] of [...this.#numbers]) {
      if (live.has(file)) continue
      this.#files.removeSync(String(number))
      this.#numbers.delete(file)
      this.#paths.delete(number)
    }
  }

  close(): Promise<void> {
    return this.#root.close()
  }

  #name(file: string, number: number): void {
    this.#numbers.set(file, number)
    this.#paths.set(number, file)
    this.#last = Math.max(this.#last, number)
  }
}
