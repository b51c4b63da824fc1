/** Listings that show one revision on all their pages: snapshots held open for as long as somebody turns pages. */

import { BlastyError } from '../../base/errors.ts'
import type { RowSnapshot } from '../../engine/replica/row-store.ts'
import type { Table } from '../../engine/table.ts'

type Held = { readonly snapshot: RowSnapshot; timer: NodeJS.Timeout }

/** How long a snapshot outlives the last page asked of it, in milliseconds. */
const idleMillis = 60_000
/** Snapshots held at once; the one longest unused makes room. */
const maxHeld = 64

export class Snapshots {
  readonly #held = new Map<string, Held>()

  /** Holds a new snapshot of the Table as it is now, or the one held of that revision already. */
  async take(table: Table): Promise<RowSnapshot> {
    const snapshot = (await table.replica()).snapshot()
    const key = keyOf(table, snapshot.revision)
    const held = this.#held.get(key)
    if (held !== undefined) {
      snapshot.close()
      return this.#touch(key, held)
    }
    return this.#touch(key, { snapshot, timer: setTimeout(() => {}, 0) })
  }

  /** The snapshot of an earlier page. Throws CURSOR_EXPIRED when it is no longer held. */
  find(table: Table, revision: number): RowSnapshot {
    const key = keyOf(table, revision)
    const held = this.#held.get(key)
    if (held === undefined) throw new BlastyError('CURSOR_EXPIRED', { revision, table: table.log.table })
    return this.#touch(key, held)
  }

  /** Lets go of the snapshots of a Table, before its replica closes. */
  release(tableUid: string): void {
    for (const key of [...this.#held.keys()]) if (key.startsWith(`${tableUid} `)) this.#drop(key)
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
