/** Listings that show one revision on all their pages: snapshots held open for as long as somebody turns pages. */

import type { RowSnapshot } from '../../engine/replica/row-store.ts'
import type { Table } from '../../engine/table.ts'

type Held = { readonly snapshot: RowSnapshot; timer: NodeJS.Timeout | undefined }

/** How long a snapshot outlives the last page asked of it, in milliseconds. */
const idleMillis = 60_000
/** Snapshots held at once; the one longest unused makes room. */
const maxHeld = 64

export class Snapshots {
  readonly #held = new Map<string, Held>()

  /** Keeps a snapshot for further pages; one of that revision that is held already is kept instead. */
  hold(table: Table, snapshot: RowSnapshot): void {
    const key = keyOf(table, snapshot.revision)
    const held = this.#held.get(key)
    if (held?.snapshot.open) {
      if (held.snapshot !== snapshot) snapshot.close()
      this.#touch(key, held)
    } else {
      this.#drop(key)
      this.#touch(key, { snapshot, timer: undefined })
    }
  }

  /** The snapshot of an earlier page; undefined when it is no longer held, or its replica was closed. */
  find(table: Table, revision: number): RowSnapshot | undefined {
    const key = keyOf(table, revision)
    const held = this.#held.get(key)
    if (held?.snapshot.open) return this.#touch(key, held)
    this.#drop(key)
    return undefined
  }

  close(): void {
    for (const key of [...this.#held.keys()]) this.#drop(key)
  }

  #touch(key: string, held: Held): RowSnapshot {
    clearTimeout(held.timer)
    held.timer = setTimeout(() => this.#drop(key), idleMillis)
    held.timer.unref()
    this.#held.delete(key)
    this.#held.set(key, held)
    if (this.#held.size > maxHeld) {
      const oldest = this.#held.keys().next()
      if (!oldest.done) this.#drop(oldest.value)
    }
    return held.snapshot
  }

  #drop(key: string): void {
    const held = this.#held.get(key)
    if (held === undefined) return
    this.#held.delete(key)
    clearTimeout(held.timer)
    held.snapshot.close()
  }
}

const keyOf = ({ descriptor: { uid, epoch } }: Table, revision: number): string => `${uid} ${epoch} ${revision}`
