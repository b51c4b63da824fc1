/** Waiting in one loop for what another changes: state is looked at again whenever somebody calls `changed`. */

export class Condition {
  #waiting = new Set<() => void>()

  /** Has every waiter look again. */
  changed(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }

  /** Waits until `holds` is true. Rejects with the signal's reason when that is aborted. */
  async until(holds: () => boolean, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      if (holds()) return
      await new Promise<void>(resolve => {
        const wake = () => {
          signal.removeEventListener('abort', wake)
          this.#waiting.delete(wake)
          resolve()
        }
        this.#waiting.add(wake)
        signal.addEventListener('abort', wake, { once: true })
      })
    }
  }
}
