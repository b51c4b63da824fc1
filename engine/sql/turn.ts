/** A connection and a turn to run on it, given back together, and not before nothing runs on it any more. */

import type { DuckDBConnection } from '@duckdb/node-api'

/** How often what is to end is interrupted until it does, in milliseconds. */
const interruptMillis = 20

export class Turn {
  readonly connection: DuckDBConnection
  readonly #leave: () => void
  #running = 0
  #ended = false
  #interrupting: NodeJS.Timeout | undefined

  constructor(connection: DuckDBConnection, leave: () => void) {
    this.connection = connection
    this.#leave = leave
  }

  /** Runs on the connection, one at a time. Rejects once the turn has ended. */
  readonly run = async <T>(work: () => Promise<T>): Promise<T> => {
    if (this.#ended) throw new Error('the turn is over')
    this.#running++
    try {
      return await work()
    } finally {
      this.#running--
      if (this.#ended) this.#giveBack()
    }
  }

  /** What still runs is interrupted: a connection that is closed while something runs on it would hold up the process. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    if (this.#running === 0) {
      this.#giveBack()
      return
    }
    this.connection.interrupt()
    // Again and again: one that comes before the statement has begun is not noticed by it.
    this.#interrupting = setInterval(() => this.connection.interrupt(), interruptMillis)
  }

  #giveBack(): void {
    clearInterval(this.#interrupting)
    this.connection.closeSync()
    this.#leave()
  }
}
