/**
 * NDJSON as canonical rows. A line that is canonical but for the order of its columns, blanks, nulls and the writing of
 * some numbers and times is brought into form byte by byte; any other is parsed and checked as a row of any request is.
 */

import { isUtf8 } from 'node:buffer'
import { checkRowSize, type RowPacker } from '../log/packed.ts'
import { parsed } from '../schema/parsed.ts'
import type { RowCodec } from '../schema/rows.ts'
import { checkBytes, type LineFormat, newline } from './line-format.ts'
import { placeOfLine } from './lines.ts'
import { matches, scannersOf, secondsBytes, timestampBytes, unclear, type ValueScanner } from './scan.ts'

type Field = {
  /** `"name":`, and the same behind a comma. */
  readonly label: Buffer
  readonly nullable: boolean
  readonly scanners: readonly ValueScanner[]
}

const openBrace = 0x7b
const closeBrace = 0x7d
const comma = 0x2c
const quote = 0x22
const point = 0x2e
const zero = 0x30
const nullWord = Buffer.from('null')
/** Bytes that a value may gain when it is rewritten. */
const maxGain = 7
/** Longer pieces are copied by one call, shorter ones are not worth it. */
const copyBytes = 48

/** Rows of NDJSON under one schema. Lines of blanks alone are no rows. */
export function jsonLines(codec: RowCodec): LineFormat {
  const scanner = new RowScanner(codec)
  const whole = (line: Buffer, utf8: boolean, number: number, packer: RowPacker) => {
    checkBytes(number, utf8 || isUtf8(line), line.length)
    const place = placeOfLine(number)
    const row = Buffer.from(JSON.stringify(codec.row(parsed(line.toString(), place), place)))
    checkRowSize(place, row.length)
    packer.copy(row, 0, row.length)
  }
  return {
    pack: (bytes, packer, first) => {
      const utf8 = isUtf8(bytes)
      let lines = 0
      let empty = 0
      for (let at = 0; at < bytes.length; lines++) {
        const start = skipBlanks(bytes, at)
        if (bytes[start] === newline) {
          empty++
          at = start + 1
          continue
        }
        let end = utf8 ? scanner.scan(bytes, start) : unclear
        if (end !== unclear && end - at < maxFastBytes) {
          scanner.pack(bytes, packer)
        } else {
          end = bytes.indexOf(newline, start)
          whole(bytes.subarray(at, end), utf8, first + lines, packer)
        }
        at = end + 1
      }
      return { lines, empty }
    },
  }
}

/** Lines up to here hold no row that is too large, whatever they gain. */
const maxFastBytes = 512 * 1024

/** Behind the blanks of JSON, but for the newline that ends the line. */
function skipBlanks(bytes: Uint8Array, at: number): number {
  let end = at
  for (let byte = bytes[end]; byte === 0x20 || byte === 0x09 || byte === 0x0d; byte = bytes[end]) end++
  return end
}

/** Finds the values of one row, and writes them in their canonical order. */
class RowScanner {
  readonly #fields: readonly Field[]
  readonly #required: number
  /** By field: which row it was last seen in, where its value lies, and what is to be done to it. */
  readonly #seen: Int32Array
  readonly #from: Int32Array
  readonly #to: Int32Array
  readonly #rewrites: (ValueScanner['rewrite'] | undefined)[]
  /** By field + 1: the field that came behind it in the row before; rows of one writer are alike. */
  readonly #behind: Int32Array
  #row = 0
  #start = 0
  #end = 0
  /** True when the bytes of the row are canonical as they are. */
  #clean = true

  constructor({ schema }: RowCodec) {
    const keys = new Set(schema.primaryKey)
    this.#fields = schema.columns.map(column => ({
      label: Buffer.from(`"${column.name}":`),
      nullable: !column.required && !keys.has(column.name),
      scanners: scannersOf(column),
    }))
    this.#required = this.#fields.filter(({ nullable }) => !nullable).length
    const count = this.#fields.length
    this.#seen = new Int32Array(count)
    this.#from = new Int32Array(count)
    this.#to = new Int32Array(count)
    this.#rewrites = new Array<ValueScanner['rewrite'] | undefined>(count).fill(undefined)
    this.#behind = Int32Array.from({ length: count + 1 }, (_, index) => index)
  }

  /** Reads the row that begins at `at`; returns where its line ends, or `unclear`. */
  scan(bytes: Uint8Array, at: number): number {
    if (bytes[at] !== openBrace) return unclear
    this.#row = (this.#row + 1) | 0
    this.#start = at
    this.#clean = true
    let required = 0
    let last = -1
    let i = this.#blanks(bytes, at + 1)
    if (bytes[i] === closeBrace) i++
    else
      for (;;) {
        const field = this.#fieldAt(bytes, i, last)
        const known = this.#fields[field]
        if (known === undefined || this.#seen[field] === this.#row) return unclear
        i = this.#blanks(bytes, i + known.label.length)
        if (bytes[i] === nullWord[0]) {
          if (!known.nullable || !matches(bytes, i, nullWord)) return unclear
          // A field twice, once null: who can say. Unseen, it would pass; so it counts as seen, without a value.
          this.#seen[field] = this.#row
          this.#to[field] = 0
          this.#clean = false
          i += nullWord.length
        } else {
          const end = this.#value(bytes, i, field, known)
          if (end === unclear) return unclear
          i = end
          if (!known.nullable) required++
        }
        if (field < last) this.#clean = false
        last = field
        i = this.#blanks(bytes, i)
        const byte = bytes[i++]
        if (byte === closeBrace) break
        if (byte !== comma) return unclear
        i = this.#blanks(bytes, i)
      }
    if (required !== this.#required) return unclear
    this.#end = i
    i = skipBlanks(bytes, i)
    return bytes[i] === newline ? i : unclear
  }

  /** Packs the row that was read last. */
  pack(bytes: Buffer, packer: RowPacker): void {
    if (this.#clean) packer.copy(bytes, this.#start, this.#end)
    else this.#write(bytes, packer)
  }

  #blanks(bytes: Uint8Array, at: number): number {
    const end = skipBlanks(bytes, at)
    if (end !== at) this.#clean = false
    return end
  }

  /** The field whose label stands at `at`; -1 when there is none. */
  #fieldAt(bytes: Uint8Array, at: number, last: number): number {
    const guess = this.#behind[last + 1] ?? 0
    const guessed = this.#fields[guess]
    if (guessed !== undefined && matches(bytes, at, guessed.label)) return guess
    const found = this.#fields.findIndex(({ label }) => matches(bytes, at, label))
    if (found >= 0) this.#behind[last + 1] = found
    return found
  }

  #value(bytes: Uint8Array, at: number, field: number, { scanners }: Field): number {
    for (const { scan, rewrite } of scanners) {
      const end = scan(bytes, at)
      if (end === unclear) continue
      const needed = rewrite === 'timestamp' && end - at === timestampBytes ? undefined : rewrite
      if (needed !== undefined) this.#clean = false
      this.#seen[field] = this.#row
      this.#from[field] = at
      this.#to[field] = end
      this.#rewrites[field] = needed
      return end
    }
    return unclear
  }

  #write(bytes: Buffer, packer: RowPacker): void {
    const out = packer.room(this.#end - this.#start + maxGain * this.#fields.length)
    let at = packer.position
    let before = openBrace
    for (let field = 0; field < this.#fields.length; field++) {
      const known = this.#fields[field]
      const to = this.#to[field] ?? 0
      if (known === undefined || this.#seen[field] !== this.#row || to === 0) continue
      out[at++] = before
      before = comma
      at = copy(known.label, 0, known.label.length, out, at)
      at = writeValue(bytes, this.#from[field] ?? 0, to, this.#rewrites[field], out, at)
    }
    if (before === openBrace) out[at++] = openBrace
    out[at++] = closeBrace
    packer.added(at)
  }
}

/** Writes one value at `at` of `out`; returns where it ends. */
function writeValue(
  bytes: Buffer,
  from: number,
  to: number,
  rewrite: ValueScanner['rewrite'],
  out: Buffer,
  at: number,
): number {
  switch (rewrite) {
    case undefined:
      return copy(bytes, from, to, out, at)
    case 'quoted': {
      out[at] = quote
      const end = copy(bytes, from, to, out, at + 1)
      out[end] = quote
      return end + 1
    }
    case 'timestamp': {
      const seconds = from + secondsBytes
      let end = copy(bytes, from, seconds, out, at)
      out[end++] = point
      // What there is of the fraction, without `Z"`, then zeros.
      if (to - 2 > seconds) end = copy(bytes, seconds + 1, to - 2, out, end)
      while (end < at + timestampBytes - 2) out[end++] = zero
      out[end++] = 0x5a
      out[end++] = quote
      return end
    }
  }
}

function copy(source: Buffer, from: number, to: number, out: Buffer, at: number): number {
  if (to - from > copyBytes) source.copy(out, at, from, to)
  else for (let i = from, o = at; i < to; i++, o++) out[o] = source[i] ?? 0
  return at + to - from
}
