/** Lines of JSON in a scratch file, written as they come. */

import { type FileHandle, open } from 'node:fs/promises'

/** Written together: a call for each line would cost more than the line. */
const writtenBytes = 1024 * 1024
/** Texts are encoded together for the same reason. */
const encodedLength = 64 * 1024

export class LineFile {
  readonly path: string
  readonly #file: FileHandle
  readonly #held = Buffer.allocUnsafeSlow(writtenBytes)
  #heldBytes = 0
  #bytes = 0
  /** Comes behind what is held. */
  #text = ''

  private constructor(path: string, file: FileHandle) {
    this.path = path
    this.#file = file
  }

  /** An empty file, in place of one that is there. */
  static async open(path: string): Promise<LineFile> {
    return new LineFile(path, await open(path, 'w'))
  }

  /** Bytes written so far, or a little less. */
  get bytes(): number {
    return this.#bytes + this.#text.length
  }

  /** Writes behind what was written. One call at a time; resolves when more may be written. */
  async write(text: string): Promise<void> {
    this.#text += text
    if (this.#text.length >= encodedLength) await this.#encode()
  }

  /** Ends the file; it is closed also when the last of it cannot be written. */
  async close(): Promise<void> {
    try {
      await this.#encode()
      await this.#flush()
    } finally {
      await this.#file.close()
    }
  }

  /** Gives up what was written. */
  async discard(): Promise<void> {
    await this.#file.close()
  }

  async #encode(): Promise<void> {
    const bytes = Buffer.from(this.#text)
    this.#text = ''
    await this.#copy(bytes)
  }

  async #copy(bytes: Uint8Array): Promise<void> {
    this.#bytes += bytes.length
    for (let rest = bytes; rest.length > 0; ) {
      if (this.#heldBytes === writtenBytes) await this.#flush()
      const taken = rest.subarray(0, writtenBytes - this.#heldBytes)
      this.#held.set(taken, this.#heldBytes)
      this.#heldBytes += taken.length
      rest = rest.subarray(taken.length)
    }
  }

  async #flush(): Promise<void> {
    await this.#file.writeFile(this.#held.subarray(0, this.#heldBytes))
    this.#heldBytes = 0
  }
}
