/** A set from which groups take turns, first come first served within a group. */
export class FairSet<K extends string> {
  readonly #groupOf: (key: K) => string
  readonly #groups = new Map<string, Set<K>>()
  #size = 0

  constructor(groupOf: (key: K) => string) {
    this.#groupOf = groupOf
  }

  get size(): number {
    return this.#size
  }

  has(key: K): boolean {
    return this.#groups.get(this.#groupOf(key))?.has(key) ?? false
  }

  add(key: K): void {
    if (this.has(key)) return
    const name = this.#groupOf(key)
    const group = this.#groups.get(name)
    if (group === undefined) this.#groups.set(name, new Set([key]))
    else group.add(key)
    this.#size += 1
  }

  delete(key: K): void {
    const name = this.#groupOf(key)
    const group = this.#groups.get(name)
    if (group?.delete(key) !== true) return
    this.#size -= 1
    if (group.size === 0) this.#groups.delete(name)
  }

  /** The oldest key of the group whose turn it is; that group goes to the end of the line. */
  take(): K | undefined {
    for (const [name, group] of this.#groups) {
      for (const key of group) {
        this.delete(key)
        if (this.#groups.delete(name)) this.#groups.set(name, group)
        return key
      }
    }
    return undefined
  }
}
