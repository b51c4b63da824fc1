/** Row changes read from the log and not yet sent, the last one of each key. */

import type { Row } from '../schema/schema.ts'
import { documentId } from './document.ts'

export type PendingPut = { readonly key: Buffer; readonly revision: number; readonly row: Row }

/** What is sent together. No id is in both parts. */
export type PendingBatch = {
  /** The readable revision that is reached with it. */
  readonly revision: number
  /** Ids of documents to delete. */
  readonly deletes: readonly string[]
  readonly puts: readonly PendingPut[]
}

export type PendingLimits = { readonly documents: number; readonly bytes: number }

/** Holds at most `limits` and one batch of the log more: the reader waits while it is full. */
export class Pending {
  readonly #limits: PendingLimits
  #changes = new Map<string, PendingPut | undefined>()
  #bytes = 0
  #revision: number
  #taken: number

  /** `revision` is the last one that was sent. */
  constructor(revision: number, limits: PendingLimits) {
    this.#revision = revision
    this.#taken = revision
    this.#limits = limits
  }

  /** `bytes` is the size of the row's body; what a later change of the key replaces stays counted. */
  put(change: PendingPut, bytes: number): void {
    this.#changes.set(documentId(change.key), change)
    this.#bytes += bytes
  }

  delete(key: Buffer): void {
    this.#changes.set(documentId(key), undefined)
    this.#bytes += key.length
  }

  /** Ends a batch of the log. Only then may its changes be taken. */
  reached(revision: number): void {
    this.#revision = revision
  }

  get full(): boolean {
    return this.#changes.size >= this.#limits.documents || this.#bytes >= this.#limits.bytes
  }

  /** True when the revision moved, even by a batch without row changes. */
  get waiting(): boolean {
    return this.#revision > this.#taken
  }

  take(): PendingBatch {
    const deletes: string[] = []
    const puts: PendingPut[] = []
    for (const [id, change] of this.#changes) {
      if (change === undefined) deletes.push(id)
      else puts.push(change)
    }
    this.#changes = new Map()
    this.#bytes = 0
    this.#taken = this.#revision
    return { revision: this.#revision, deletes, puts }
  }
}
