/** How many of a kind of work run at once, and how many may wait for their turn. */

import { BlastyError } from '../../base/errors.ts'

export type AdmissionLimits = {
  readonly running: number
  readonly waiting: number
}

/** What to tell whom there is no room for. */
export type Refuse = (limits: AdmissionLimits) => Error

const queryLimit: Refuse = ({ running, waiting }) =>
  new BlastyError('QUERY_LIMIT', { limit: `${running} queries at once and ${waiting} waiting` })

/** Gives turns in the order of asking. */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #refuse: Refuse
  readonly #waiting = new Set<() => void>()
  #running = 0

  constructor(limits: AdmissionLimits, refuse: Refuse = queryLimit) {
    this.#limits = limits
    this.#refuse = refuse
  }

  /** How many have a turn. */
  get running(): number {
    return this.#running
  }

  /**
   * Waits for a turn; call what it returns when the turn is over.
   * @throws at once, what `refuse` says, when too many wait already; the signal's reason
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    const { running, waiting } = this.#limits
    if (this.#running < running) {
      this.#running++
    } else {
      if (this.#waiting.size >= waiting) throw this.#refuse(this.#limits)
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
