/** Rows of an append-only Table packed into the bodies of `append` records: JSON arrays of canonical rows, built in place. */

import { BlastyError } from '../../base/errors.ts'
import { rowSeparator } from './record.ts'

/** Longest row as JSON, in bytes: a message of a mebibyte less its headers. */
export const maxRowBytes = 1_000_000
/** Rows are packed into messages of about this many bytes. */
const messageBytes = 256 * 1024

/** Bodies of `append` records, ready for the log. */
export type PackedRows = { readonly bodies: readonly Buffer[]; readonly rows: number }

const open = 0x5b
const close = 0x5d

/** Packs one row after another. The caller writes a row's bytes into `room` and tells with `added` how many there were. */
export class RowPacker {
  readonly #bodies: Buffer[] = []
  readonly #bytes: number
  #out: Buffer = Buffer.alloc(0)
  #at = 0
  #rows = 0

  /** `expected` is how many bytes will come with what separates them, if that is known: a few rows need no large buffer. */
  constructor(expected = messageBytes) {
    this.#bytes = Math.min(messageBytes, expected + rowSeparator.length)
  }

  /** Rows packed so far. */
  get rows(): number {
    return this.#rows
  }

  /** The buffer that the next row is to be written into, from `position` on; it has room for `bytes` of it. */
  room(bytes: number): Buffer {
    const needed = this.#at + bytes + rowSeparator.length
    if (needed <= this.#out.length) return this.#out
    // A body that is closed is never written to again: the rest of its buffer is given up.
    this.#finish()
    this.#out = Buffer.allocUnsafe(Math.max(this.#bytes, bytes + 1 + rowSeparator.length))
    this.#out[0] = open
    this.#at = 1
    return this.#out
  }

  /** Where the next row begins in `room`. */
  get position(): number {
    return this.#at
  }

  /** Takes over the row that was written, up to `end`. */
  added(end: number): void {
    this.#at = end + rowSeparator.copy(this.#out, end)
    this.#rows++
  }

  /** Packs a row that lies in `source` as it must be. */
  copy(source: Buffer, start: number, end: number): void {
    const room = this.room(end - start)
    source.copy(room, this.#at, start, end)
    this.added(this.#at + end - start)
  }

  /** All that was packed. */
  finish(): PackedRows {
    this.#finish()
    return { bodies: this.#bodies, rows: this.#rows }
  }

  #finish(): void {
    if (this.#at <= 1) return
    const end = this.#at - rowSeparator.length
    this.#out[end] = close
    this.#bodies.push(this.#out.subarray(0, end + 1))
    this.#out = Buffer.alloc(0)
    this.#at = 0
  }
}

/** Throws ROW_TOO_LARGE for a row that no message holds. `row` is its place in the request. */
export function checkRowSize(row: string | number, bytes: number): void {
  if (bytes > maxRowBytes) throw new BlastyError('ROW_TOO_LARGE', { row, bytes, limit: maxRowBytes })
}
