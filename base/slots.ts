/**
 * Things that are under way for a moment, by the thousand a second. A Map or a Set makes a new table whenever it is full of what was deleted, and the old table
 * refers to the new one: once one of them has grown old, all that follow, with what was under way then, wait for a major collection.
 */
export class Slots<T> {
  readonly #values: (T | undefined)[] = []
  readonly #free: number[] = []

  /** How many are in it. */
  get size(): number {
    return this.#values.length - this.#free.length
  }

  /** Puts one in; returns its place, which is another's once it has been taken. */
  put(value: T): number {
    const place = this.#free.pop() ?? this.#values.length
    this.#values[place] = value
    return place
  }

  /** What is at a place, if anything. */
  at(place: number): T | undefined {
    return this.#values[place]
  }

  /** Takes it out. */
  take(place: number): T | undefined {
    const value = this.#values[place]
    if (value === undefined) return undefined
    this.#values[place] = undefined
    this.#free.push(place)
    return value
  }

  /** All that were in it at the call, with their places. */
  all(): readonly (readonly [place: number, value: T])[] {
    return this.#values.flatMap((value, place) => (value === undefined ? [] : [[place, value] as const]))
  }
}
