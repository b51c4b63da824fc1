/** The memory that queries take beside what DuckDB counts: the process is watched while any runs, and they end before it does. */

/** How often it looks, in milliseconds. */
const everyMillis = 20

export type MemoryWatchOptions = {
  /** Bytes that the process may grow by while queries run. */
  readonly maxGrowth: number
  /** Resident bytes of the process. */
  readonly resident?: () => number
}

/** Calls what was registered when the process has grown too much since no query ran. */
export class MemoryWatch {
  readonly #maxGrowth: number
  readonly #resident: () => number
  readonly #running = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined
  #idle = 0

  constructor({ maxGrowth, resident = () => process.memoryUsage.rss() }: MemoryWatchOptions) {
    this.#maxGrowth = maxGrowth
    this.#resident = resident
  }

  /** Registers what ends a query that runs; call what it returns when the query has ended. */
  enter(end: () => void): () => void {
    // An entry of its own, should the same function come twice.
    const entry = () => end()
    if (this.#running.size === 0) {
      this.#idle = this.#resident()
      this.#timer = setInterval(() => this.#look(), everyMillis)
      this.#timer.unref()
    }
    this.#running.add(entry)
    return () => {
      this.#running.delete(entry)
      if (this.#running.size === 0) clearInterval(this.#timer)
    }
  }

  #look(): void {
    if (this.#resident() - this.#idle <= this.#maxGrowth) return
    for (const end of this.#running) end()
  }
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  KI: 2 ** 10,
  MI: 2 ** 20,
  GI: 2 ** 30,
  TI: 2 ** 40,
}

/** Bytes of a size as DuckDB takes it, such as `4GB` or `512 MiB`. Throws RangeError for what is none. */
export function bytesOf(size: string): number {
  const [, number, unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?\s*$/i.exec(size) ?? []
  const factor = units[unit.toUpperCase()]
  if (number === undefined || factor === undefined) throw new RangeError(`${size} is no size in bytes`)
  return Number(number) * factor
}
