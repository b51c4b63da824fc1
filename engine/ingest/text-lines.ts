/** Plain text as rows: the text of each line in one String column, beside constants. */

import { isUtf8 } from 'node:buffer'
import { BlastyError } from '../../base/errors.ts'
import { checkRowSize, type RowPacker } from '../log/packed.ts'
import type { RowCodec } from '../schema/rows.ts'
import { carriageReturn, checkBytes, type LineFormat, newline } from './line-format.ts'
import { placeOfLine } from './lines.ts'

export type TextOptions = {
  /** The String column that takes the text. */
  readonly column: string
  /** Values of other columns, alike for all rows; a JSON object. */
  readonly constants: unknown
}

const backslash = 0x5c
const quote = 0x22

/**
 * Rows of text lines under one schema. An empty line is no row; a carriage return before the newline is no part of the text.
 * @throws INVALID_ARGUMENT or INVALID_ROW when column or constants do not fit the schema
 */
export function textLines(codec: RowCodec, { column, constants }: TextOptions): LineFormat {
  if (codec.schema.columns.find(({ name }) => name === column)?.type !== 'String') {
    throw new BlastyError('INVALID_ARGUMENT', {
      field: 'open.text.column',
      problem: 'is no String column of the table',
    })
  }
  const place = 'open.text.constants_json'
  if (typeof constants !== 'object' || constants === null || Array.isArray(constants)) {
    throw new BlastyError('INVALID_ARGUMENT', { field: place, problem: 'must be a JSON object' })
  }
  if (column in constants) {
    throw new BlastyError('INVALID_ARGUMENT', { field: place, problem: `holds ${column}, which takes the text` })
  }
  const rowOf = (text: string, at: string) => codec.row({ ...constants, [column]: text }, at)
  // Empty text has its quotes next to each other, and no other value of this name can come before.
  const sample = JSON.stringify(rowOf('', place))
  const label = `"${column}":"`
  const at = columnsBefore(codec, column, rowOf('', place), label)
  const prefix = Buffer.from(sample.slice(0, at))
  const suffix = Buffer.from(sample.slice(at))

  const add = (bytes: Buffer, start: number, end: number, number: number, packer: RowPacker) => {
    const size = prefix.length + end - start + suffix.length
    checkRowSize(placeOfLine(number), size)
    const room = packer.room(size)
    let position = packer.position
    position += prefix.copy(room, position)
    position += bytes.copy(room, position, start, end)
    packer.added(position + suffix.copy(room, position))
  }
  return {
    pack: (bytes, packer, first) => {
      const utf8 = isUtf8(bytes)
      let lines = 0
      let empty = 0
      for (let start = 0; start < bytes.length; lines++) {
        const next = bytes.indexOf(newline, start)
        const end = bytes[next - 1] === carriageReturn && next > start ? next - 1 : next
        const number = first + lines
        checkBytes(number, utf8 || isUtf8(bytes.subarray(start, end)), end - start)
        if (end === start) {
          empty++
        } else if (isPlain(bytes, start, end)) {
          add(bytes, start, end, number, packer)
        } else {
          const text = bytes.toString('utf8', start, end)
          // What no String may hold is told as for any row.
          if (text.includes('\0')) rowOf(text, placeOfLine(number))
          const escaped = Buffer.from(JSON.stringify(text))
          add(escaped, 1, escaped.length - 1, number, packer)
        }
        start = next + 1
      }
      return { lines, empty }
    },
  }
}

/** Length of a row's JSON up to where the text begins. */
function columnsBefore(codec: RowCodec, column: string, row: object, label: string): number {
  const names = codec.schema.columns.map(({ name }) => name)
  const before = names.slice(0, names.indexOf(column))
  const head = Object.fromEntries(Object.entries(row).filter(([name]) => before.includes(name)))
  const text = JSON.stringify(head)
  return (text === '{}' ? 1 : text.length) + label.length
}

/** Whether the text needs no escapes in JSON. */
function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0
    if (byte < 0x20 || byte === quote || byte === backslash) return false
  }
  return true
}
