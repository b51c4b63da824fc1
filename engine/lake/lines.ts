/** Lines of JSON in a scratch file, written as they come. */

import { type FileHandle, open } from 'node:fs/promises'

/** Written together: a call for each line would cost more than the line. */
const writtenBytes = 1024 * 1024

export class LineFile {
  readonly path: string
  readonly #file: FileHandle
  readonly #held = Buffer.allocUnsafeSlow(writtenBytes)
  #heldBytes = 0
  #bytes = 0

  private constructor(path: string, file: FileHandle) {
    this.path = path
    this.#file = file
  }

  /** An empty file, in place of one that is there. */
  static async open(path: string): Promise<LineFile> {
    return new LineFile(path, await open(path, 'w'))
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** Writes texts and UTF-8 one behind another. One call at a time; resolves when more may be written. */
  async write(...parts: readonly (string | Uint8Array)[]): Promise<void> {
    for (const part of parts) {
      let rest = typeof part === 'string' ? Buffer.from(part) : part
      this.#bytes += rest.length
      while (rest.length > 0) {
        if (this.#heldBytes === writtenBytes) await this.#flush()
        const taken = rest.subarray(0, writtenBytes - this.#heldBytes)
        this.#held.set(taken, this.#heldBytes)
        this.#heldBytes += taken.length
        rest = rest.subarray(taken.length)
      }
    }
  }

  /** Ends the file; it is closed also when the last of it cannot be written. */
  async close(): Promise<void> {
    try {
      await this.#flush()
    } finally {
      await this.#file.close()
    }
  }

  /** Gives up what was written. */
  async discard(): Promise<void> {
    await this.#file.close()
  }

  async #flush(): Promise<void> {
    await this.#file.writeFile(this.#held.subarray(0, this.#heldBytes))
    this.#heldBytes = 0
  }
}
