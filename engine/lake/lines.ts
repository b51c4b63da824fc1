/** Lines of JSON in a scratch file, written as they come. */

import { createWriteStream, type WriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'

export class LineFile {
  readonly path: string
  readonly #stream: WriteStream
  #failure: unknown
  #bytes = 0

  constructor(path: string) {
    this.path = path
    this.#stream = createWriteStream(path)
    this.#stream.on('error', error => {
      this.#failure = error
    })
  }

  /** Characters written so far. */
  get length(): number {
    return this.#bytes
  }

  /** Resolves when more may be written. */
  async write(text: string): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    this.#bytes += text.length
    if (this.#stream.write(text)) return
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: unknown) => {
        this.#stream.off('drain', settle)
        this.#stream.off('error', settle)
        if (error === undefined) resolve()
        else reject(error)
      }
      this.#stream.on('drain', settle)
      this.#stream.on('error', settle)
    })
  }

  async close(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    this.#stream.end()
    await finished(this.#stream)
  }

  /** Gives up what was written. */
  destroy(): void {
    this.#stream.destroy()
  }
}
