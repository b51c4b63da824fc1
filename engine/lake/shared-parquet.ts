/** One database for the Parquet files of a run: opened when there is something to do, and used for two things at once. */

import { ParquetFiles, type ParquetLimits } from './parquet.ts'

type Seat = {
  /** Those who are at it or wait for it. */
  users: number
  /** Resolves when all that was asked of it before is done. */
  turn: Promise<unknown>
  files: ParquetFiles | undefined
}

const seats = 2

export class SharedParquet {
  readonly #directory: string
  readonly #memory: string
  readonly #seats: readonly Seat[] = Array.from({ length: seats }, () => ({
    users: 0,
    turn: Promise.resolve(),
    files: undefined,
  }))
  #database: Promise<ParquetFiles> | undefined

  /** `directory` as of `ParquetFiles`. */
  constructor(directory: string, memory: ParquetLimits['memory']) {
    this.#directory = directory
    this.#memory = memory
  }

  /** Works with the files when there is a seat. What is asked at a time when both are taken keeps its order with one of them. */
  use<T>(work: (files: ParquetFiles) => Promise<T>): Promise<T> {
    const seat = this.#seats.reduce((best, one) => (one.users < best.users ? one : best))
    const result = seat.turn.then(async () => {
      seat.files ??= await this.#open()
      return work(seat.files)
    })
    seat.users++
    const done = () => {
      seat.users--
    }
    // Whose turn it is next does not care how this one went.
    seat.turn = result.then(done, done)
    return result
  }

  /** Closes the database when all work before is over; the next use opens another. */
  close(): Promise<void> {
    const closed = Promise.all(this.#seats.map(({ turn }) => turn)).then(() => {
      for (const seat of this.#seats) {
        seat.files?.close()
        seat.files = undefined
      }
      this.#database = undefined
    })
    for (const seat of this.#seats) seat.turn = closed
    return closed
  }

  /**
   * One thread for each seat: a second one for the same work spins while the first ends its share, and two works side by side keep two
   * processors as busy.
   */
  async #open(): Promise<ParquetFiles> {
    if (this.#database !== undefined) return (await this.#database).beside()
    this.#database = ParquetFiles.open(this.#directory, { memory: this.#memory, threads: 1 })
    try {
      return await this.#database
    } catch (error) {
      this.#database = undefined
      throw error
    }
  }
}
