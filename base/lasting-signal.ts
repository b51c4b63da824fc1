/** A signal that outlives the thousands who listen to it for a moment each. */

import { Slots } from './slots.ts'

/**
 * Who listens to the signal itself is linked to those who come after, and while one of them that has grown old waits for a major collection, so do all
 * behind it, with whatever they would have told.
 */
export class LastingSignal {
  readonly #signal: AbortSignal
  readonly #listeners = new Slots<() => void>()

  constructor(signal: AbortSignal) {
    this.#signal = signal
    signal.addEventListener('abort', () => {
      for (const [place, listener] of this.#listeners.all()) {
        this.#listeners.take(place)
        listener()
      }
    })
  }

  get aborted(): boolean {
    return this.#signal.aborted
  }

  get reason(): unknown {
    return this.#signal.reason
  }

  /** Calls `listener` when it is aborted; nothing is called for what was aborted before. Returns how to be told no more. */
  listen(listener: () => void): () => void {
    const place = this.#listeners.put(listener)
    return () => {
      // The place may be another's by now.
      if (this.#listeners.at(place) === listener) this.#listeners.take(place)
    }
  }
}
