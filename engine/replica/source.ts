/**
 * The changes of a Table, shared by all who follow it in one process: a window of recent batches in memory, and behind it
 * a store that holds the older ones. A reader pulls at its own pace, so a slow one costs no memory.
 */

import type { ChangeBatch } from './change.ts'

/** Reads older batches behind `after`, up to and including `until` at least once through. */
export type OlderChanges = (
  after: number,
  until: number,
  signal: AbortSignal,
) => AsyncIterable<ChangeBatch> | Iterable<ChangeBatch>

const windowBytes = 16 * 1024 * 1024
/** All that is in the window outlives the youngest garbage, and the collector stops the process for as long as that takes to copy. */
const windowBatches = 256

export class ChangeSource {
  readonly #older: OlderChanges
  #recent: ChangeBatch[] = []
  /** Every batch behind this revision is in the window. */
  #base: number
  #bytes = 0
  #revision: number
  #failure: unknown
  #waiting = new Set<() => void>()

  /** `revision` is the last one applied before the first `push`. */
  constructor(revision: number, older: OlderChanges) {
    this.#revision = revision
    this.#base = revision
    this.#older = older
  }

  /** The last revision announced: everything up to it can be read. */
  get revision(): number {
    return this.#revision
  }

  /** Announces the next batch. */
  push(batch: ChangeBatch): void {
    this.#recent.push(batch)
    this.#bytes += batch.bytes
    this.#revision = batch.revision
    while (this.#recent.length > 1 && (this.#bytes > windowBytes || this.#recent.length > windowBatches)) {
      const dropped = this.#recent.splice(0, Math.ceil(this.#recent.length / 4))
      for (const { bytes } of dropped) this.#bytes -= bytes
      this.#base = dropped.at(-1)?.revision ?? this.#base
    }
    this.#wake()
  }

  /** Ends every reader and waiter with `error`; for a follower that cannot go on, and a replica that closes. */
  fail(error: unknown): void {
    this.#failure ??= error
    this.#wake()
  }

  /** Waits until `revision` has been announced. Throws what `fail` was given, or the signal's reason. */
  async reached(revision: number, signal: AbortSignal): Promise<void> {
    while (this.#revision < revision) await this.#next(signal)
  }

  /**
   * Whole batches behind `after`, up to and including `until`, or for ever; ends when the signal is aborted, throws what
   * `fail` was given. Batches that changed no row may be left out, or told as one without a time.
   */
  async *changes(after: number, signal: AbortSignal, until = Number.POSITIVE_INFINITY): AsyncGenerator<ChangeBatch> {
    let at = after
    while (!signal.aborted && at < until) {
      if (this.#failure !== undefined) throw this.#failure
      if (at >= this.#revision) {
        try {
          await this.#next(signal)
        } catch (error) {
          if (signal.aborted) return
          throw error
        }
      } else if (at >= this.#base) {
        while (!signal.aborted && at >= this.#base && this.#failure === undefined) {
          const batch = this.#recent[this.#indexAfter(at)]
          if (batch === undefined) break
          if (batch.revision > until) return
          yield batch
          at = batch.revision
        }
      } else {
        const known = Math.min(this.#revision, until)
        try {
          for await (const batch of this.#older(at, known, signal)) {
            if (signal.aborted || batch.revision > until) return
            if (this.#failure !== undefined) throw this.#failure
            yield batch
            at = batch.revision
          }
        } catch (error) {
          if (signal.aborted) return
          throw error
        }
        // What is left up to there changed no row; who keeps a position must still hear how far that goes.
        const end = Math.min(known, this.#base)
        if (end > at) {
          yield { revision: end, commitTime: 0, schema: 0, changes: [], bytes: 0 }
          at = end
        }
      }
    }
  }

  #indexAfter(revision: number): number {
    let low = 0
    let high = this.#recent.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#recent[middle]?.revision ?? 0) <= revision) low = middle + 1
      else high = middle
    }
    return low
  }

  #next(signal: AbortSignal): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (signal.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const done = () => {
        this.#waiting.delete(done)
        signal.removeEventListener('abort', done)
        if (this.#failure !== undefined) reject(this.#failure)
        else if (signal.aborted) reject(signal.reason)
        else resolve()
      }
      this.#waiting.add(done)
      signal.addEventListener('abort', done, { once: true })
    })
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done()
  }
}
