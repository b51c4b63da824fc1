/** Many texts in one piece of memory, as UTF-8, so that they can be sent without being made into strings first. */

const decoder = new TextDecoder()

export class Texts implements Iterable<string> {
  /** All of them, one behind the other. */
  readonly bytes: Uint8Array
  /** Where each begins, and where the last ends. */
  readonly offsets: Uint32Array

  constructor(bytes: Uint8Array, offsets: Uint32Array) {
    this.bytes = bytes
    this.offsets = offsets
  }

  get length(): number {
    return this.offsets.length - 1
  }

  /** Bytes of one of them. */
  sizeAt(index: number): number {
    return (this.offsets[index + 1] ?? 0) - (this.offsets[index] ?? 0)
  }

  at(index: number): string | undefined {
    if (index < 0 || index >= this.length) return undefined
    return decoder.decode(this.bytes.subarray(this.offsets[index], this.offsets[index + 1]))
  }

  slice(from: number, to: number): Texts {
    return new Texts(this.bytes, this.offsets.slice(from, to + 1))
  }

  *[Symbol.iterator](): Generator<string> {
    for (let index = 0; index < this.length; index++) yield this.at(index) ?? ''
  }
}
