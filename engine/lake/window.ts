/** The changes that go into one commit of the lake: lines of JSON in scratch files, and what is left of each key in memory. */

import type { ChangeBatch } from '../replica/change.ts'

export type ChangeWindow = {
  /** True while no row was changed. */
  readonly empty: boolean
  /** True from some size on, however young it is. */
  readonly full: boolean
  /** Revision of the last batch added. */
  readonly revision: number
  readonly add: (batch: ChangeBatch) => Promise<void>
  /** Ends the window. */
  readonly close: () => Promise<ClosedWindow>
  /** Ends it, and nobody wants what it holds. */
  readonly discard: () => Promise<void>
}

export type ClosedWindow = {
  /** Lines of rows to be written, if there are any: one each, or those of one record. */
  readonly rows:
    | { readonly lines: 'rows'; readonly file: string }
    | { readonly lines: 'records'; readonly files: readonly string[] }
    | undefined
  /**
   * Lines of changes. There are none when each row is there because it was inserted once: then the rows are the changes, and
   * engines take them for that.
   */
  readonly changes: string | undefined
  /** Keys of the rows to be written, in the order of their lines. */
  readonly keys: readonly Buffer[]
  /** Every key that was changed, and whether it had a row before: what the lake holds of it has ended. */
  readonly touched: readonly { readonly key: Buffer; readonly existed: boolean }[]
  /** When the latest of its batches was committed, in microseconds since 1970. */
  readonly committed: number
}
