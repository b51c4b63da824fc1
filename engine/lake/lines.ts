/** Lines of JSON in a scratch file, written as they come. */

import { createWriteStream, type WriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'

const writtenLength = 256 * 1024

export class LineFile {
  readonly path: string
  readonly #stream: WriteStream
  #failure: unknown
  #length = 0
  /** Written together: a call of the stream for each line would cost more than the line. */
  #held: string[] = []
  #heldLength = 0

  constructor(path: string) {
    this.path = path
    this.#stream = createWriteStream(path)
    this.#stream.on('error', error => {
      this.#failure = error
    })
  }

  /** Characters written so far. */
  get length(): number {
    return this.#length
  }

  /** Resolves when more may be written. */
  async write(text: string): Promise<void> {
    this.#length += text.length
    this.#heldLength += text.length
    this.#held.push(text)
    if (this.#heldLength >= writtenLength) await this.#flush()
  }

  async #flush(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const text = this.#held.join('')
    this.#held = []
    this.#heldLength = 0
    if (text === '' || this.#stream.write(text)) return
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
    await this.#flush()
    if (this.#failure !== undefined) throw this.#failure
    this.#stream.end()
    await finished(this.#stream)
  }

  /** Gives up what was written. */
  destroy(): void {
    this.#stream.destroy()
  }
}
