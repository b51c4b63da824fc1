/** Turns of a process, of which no namespace can have more than half. */

import { Admission } from './admission.ts'

/** How many of one namespace may wait for their turn. */
const maxWaiting = 64

export class NamespaceTurns {
  readonly #turns: number
  readonly #all: Admission
  readonly #namespaces = new Map<string, Admission>()

  constructor(turns: number) {
    this.#turns = turns
    // Those who wait were let in by their namespace, which bounds them.
    this.#all = new Admission({ running: turns, waiting: Number.POSITIVE_INFINITY })
  }

  /** How many have a turn. */
  get running(): number {
    return this.#all.running
  }

  /**
   * Waits for a turn; call what it returns afterwards.
   * @throws QUERY_LIMIT at once when too many of the namespace wait already; the signal's reason
   */
  async enter(namespace: string, signal: AbortSignal): Promise<() => void> {
    const leaveNamespace = await this.#of(namespace).enter(signal)
    try {
      const leave = await this.#all.enter(signal)
      return () => {
        leave()
        leaveNamespace()
      }
    } catch (error) {
      leaveNamespace()
      throw error
    }
  }

  #of(namespace: string): Admission {
    const known = this.#namespaces.get(namespace)
    if (known !== undefined) return known
    const running = Math.max(1, Math.floor(this.#turns / 2))
    const admission = new Admission({ running, waiting: maxWaiting })
    this.#namespaces.set(namespace, admission)
    return admission
  }
}
