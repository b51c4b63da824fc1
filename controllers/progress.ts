/** Figures that change all the time reach a status at most every half minute. */

export type Progress = { readonly revision: string }

/** How long figures that are shown stay as they are, in milliseconds. */
export const foldMillis = 30_000

/** Remembers when the figures of which resource were last let into its status. */
export class ProgressFold {
  readonly #at = new Map<string, number>()

  /** The figures to show: `shown` while they are young, else `current`. `urgent` ones are shown at once. */
  fold<P extends Progress>(uid: string, shown: P | undefined, current: P, now: number, urgent = false): P {
    const at = this.#at.get(uid) ?? Number.NEGATIVE_INFINITY
    if (shown !== undefined && !urgent && now - at < foldMillis) return shown
    if (JSON.stringify(shown) !== JSON.stringify(current)) this.#at.set(uid, now)
    return current
  }

  forget(uid: string): void {
    this.#at.delete(uid)
  }
}
