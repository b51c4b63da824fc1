/** Whole lines out of chunks that are cut anywhere: what is left of a chunk waits for the next one. */

import { BlastyError } from '../../base/errors.ts'

/** Longest line, in bytes. A row may be shorter than the line it comes in: that holds blanks and escapes. */
export const maxLineBytes = 4 * 1024 * 1024

const newline = 0x0a
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])
const nothing = Buffer.alloc(0)

export class LineJoiner {
  #rest: Buffer[] = []
  #restBytes = 0
  #begun = false

  /**
   * The lines that end in this chunk, each with its newline; empty when none does.
   * @throws ROW_TOO_LARGE when the line that goes on is too long already; `line` is its number, for the message
   */
  push(chunk: Buffer, line: number): Buffer {
    const end = chunk.lastIndexOf(newline) + 1
    const whole = end === 0 ? nothing : this.#take(chunk.subarray(0, end))
    // Copied: a few bytes must not keep a whole chunk in memory.
    if (end < chunk.length) this.#rest.push(Buffer.from(chunk.subarray(end)))
    this.#restBytes += chunk.length - end
    // Of a chunk with a newline the rest begins some line behind `line`; its own check names it rightly when it ends.
    if (this.#restBytes > maxLineBytes && end === 0) throw tooLong(line, this.#restBytes)
    return this.#withoutMark(whole)
  }

  /** The last line, if it has no newline, with one. */
  finish(): Buffer {
    return this.#restBytes === 0 ? nothing : this.#withoutMark(this.#take(Buffer.of(newline)))
  }

  #take(tail: Buffer): Buffer {
    const whole = this.#restBytes === 0 ? tail : Buffer.concat([...this.#rest, tail])
    this.#rest = []
    this.#restBytes = 0
    return whole
  }

  /** A byte order mark at the very beginning is no part of the first line. */
  #withoutMark(lines: Buffer): Buffer {
    if (this.#begun || lines.length === 0) return lines
    this.#begun = true
    return lines.indexOf(byteOrderMark) === 0 ? lines.subarray(byteOrderMark.length) : lines
  }
}

/** Throws ROW_TOO_LARGE for a line, numbered from 1, that is longer than allowed. */
export function checkLine(line: number, bytes: number): void {
  if (bytes > maxLineBytes) throw tooLong(line, bytes)
}

const tooLong = (line: number, bytes: number) =>
  new BlastyError('ROW_TOO_LARGE', { row: placeOfLine(line), bytes, limit: maxLineBytes })

/** How errors name a line, numbered from 1. */
export const placeOfLine = (line: number): string => `lines[${line}]`
