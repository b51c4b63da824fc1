/** One database for the Parquet files of a run: opened when there is something to do, and used for one thing after another. */

import { ParquetFiles, type ParquetLimits } from './parquet.ts'

export class SharedParquet {
  readonly #directory: string
  readonly #memory: string
  #files: ParquetFiles | undefined
  /** Resolves when all that was asked before is done. */
  #turn: Promise<unknown> = Promise.resolve()

  /** `directory` as of `ParquetFiles`. */
  constructor(directory: string, memory: ParquetLimits['memory']) {
    this.#directory = directory
    this.#memory = memory
  }

  /** Works with the files when all work before is over. `threads` counts where the database is not open yet. */
  use<T>(threads: number, work: (files: ParquetFiles) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      this.#files ??= await ParquetFiles.open(this.#directory, { memory: this.#memory, threads })
      return work(this.#files)
    })
  }

  /** Closes the database when all work before is over; the next use opens another. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      this.#files?.close()
      this.#files = undefined
    })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    // Whose turn it is next does not care how this one went.
    this.#turn = result.catch(() => {})
    return result
  }
}
