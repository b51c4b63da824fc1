/** Cuts what comes from a streams server into whole messages of its protocol, before it is known what they hold. */

/** Messages up to half of it are read together, and copied: who keeps one then keeps no more than came with it. */
const roomBytes = 64 * 1024

const lineFeed = 0x0a
const zero = 0x30
const lowerCase = 0x20
/** `MSG` and `HMSG`: the lines that a payload follows. */
const payloadFollows = new Set([0x6d, 0x68])

/** Buffers that hold one message each and nothing else. */
const lone = new WeakSet<ArrayBufferLike>()

/**
 * Frees the memory of a large message's payload; for who has it alone, and will not look at it again. What is left to the collector
 * of garbage is expensive: V8 counts such memory as if it were its heap, and looks through all of that for every ten megabytes.
 * Does nothing where other messages lie in the same memory.
 */
export function giveBack(payload: Uint8Array): void {
  const { buffer } = payload
  if (buffer instanceof ArrayBuffer && lone.delete(buffer)) buffer.transfer(0)
}

export class Frames {
  #shared = Buffer.allocUnsafeSlow(roomBytes)
  /** Of the size of the one message that is being read into it. */
  #own: Buffer | undefined
  #filled = 0

  /** Where what comes next is to be put; never empty. */
  get room(): Buffer {
    return (this.#own ?? this.#shared).subarray(this.#filled)
  }

  /** Takes note of bytes that were put into `room`. Returns the messages that are whole with them, one behind another, if any are. */
  received(bytes: number): Buffer | undefined {
    this.#filled += bytes
    if (this.#own !== undefined) {
      if (this.#filled < this.#own.length) return undefined
      const whole = this.#own
      this.#own = undefined
      this.#filled = 0
      return whole
    }
    const held = this.#shared.subarray(0, this.#filled)
    let start = 0
    let end = frameEnd(held, start)
    while (end !== undefined && end <= held.length) {
      start = end
      end = frameEnd(held, start)
    }
    const whole = start === 0 ? undefined : Buffer.from(held.subarray(0, start))
    this.#keep(held.subarray(start), end === undefined ? undefined : end - start)
    return whole
  }

  /** Goes on behind the first part of a message, of `bytes` in all if that is known. */
  #keep(part: Buffer, bytes: number | undefined): void {
    this.#filled = part.length
    if (bytes !== undefined && bytes > this.#shared.length / 2) {
      this.#own = Buffer.allocUnsafeSlow(bytes)
      lone.add(this.#own.buffer)
      part.copy(this.#own)
    } else {
      part.copy(this.#shared)
      // A line without end yet. None is so long by the protocol, but it sets no bound.
      if (part.length === this.#shared.length) this.#shared = Buffer.concat([part], 2 * part.length)
    }
  }
}

/** Where the message that begins at `start` ends; undefined while its line is not whole. */
function frameEnd(bytes: Buffer, start: number): number | undefined {
  const line = bytes.indexOf(lineFeed, start)
  if (line < 0) return undefined
  if (!payloadFollows.has((bytes[start] ?? 0) | lowerCase)) return line + 1
  // The last number of the line is how many bytes follow it, without the two that end them.
  let size = 0
  let factor = 1
  for (let at = line - 2; at > start; at--) {
    const digit = (bytes[at] ?? 0) - zero
    if (digit < 0 || digit > 9) break
    size += digit * factor
    factor *= 10
  }
  return line + 1 + size + 2
}
