/** How many queries run at once, and how many may wait for their turn. */

import { BlastyError } from '../../base/errors.ts'

export type AdmissionLimits = {
  readonly running: number
  readonly waiting: number
}

/** Gives turns in the order of asking. */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #waiting = new Set<() => void>()
  #running = 0

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /**
   * Waits for a turn; call what it returns when the turn is over.
   * @throws QUERY_LIMIT at once when too many wait already; the signal's reason
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    const { running, waiting } = this.#limits
    if (this.#running < running) {
      this.#running++
    } else {
      if (this.#waiting.size >= waiting)
        throw new BlastyError('QUERY_LIMIT', { limit: `${running} queries at once and ${waiting} waiting` })
      await this.#turn(signal)
    }
    return this.#leaver()
  }

  /** Resolves when another's turn has been handed over, so that nobody who comes later can take it. */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = () => {
        signal.removeEventListener('abort', giveUp)
        resolve()
      }
      const giveUp = () => {
        this.#waiting.delete(go)
        reject(signal.reason)
      }
      this.#waiting.add(go)
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }

  #leaver(): () => void {
    let left = false
    return () => {
      if (left) return
      left = true
      const [next] = this.#waiting
      if (next === undefined) {
        this.#running--
        return
      }
      this.#waiting.delete(next)
      next()
    }
  }
}
