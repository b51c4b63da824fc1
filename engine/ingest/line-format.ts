/** Lines of bytes as rows: what every format of them does. */

import { BlastyError } from '../../base/errors.ts'
import type { RowPacker } from '../log/packed.ts'
import { checkLine, placeOfLine } from './lines.ts'

export type LinesPacked = {
  readonly lines: number
  /** Lines that hold nothing: no row comes of them. */
  readonly empty: number
}

export type LineFormat = {
  /**
   * Packs the rows of whole lines, each ended by a newline. `first` is the number of the first one, for messages.
   * @throws INVALID_ROW, INVALID_ARGUMENT or ROW_TOO_LARGE for the first line that is no row, which is named
   */
  readonly pack: (lines: Buffer, packer: RowPacker, first: number) => LinesPacked
}

export const newline = 0x0a
export const carriageReturn = 0x0d

/** Throws unless a line may be read at all. */
export function checkBytes(line: number, utf8: boolean, bytes: number): void {
  checkLine(line, bytes)
  if (utf8) return
  const field = placeOfLine(line)
  const problem = 'is not UTF-8'
  throw new BlastyError('INVALID_ARGUMENT', { field, problem }, { violations: [{ field, description: problem }] })
}
