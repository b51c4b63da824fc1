/** What independent readers of the lake are asked, and the one form in which they answer. */

import type { Json } from '../../engine/schema/schema.ts'

/** A Delta table by its place in the stack's object store; `path` has no slashes at its ends. */
export type LakeTable = { readonly bucket: string; readonly path: string }

/**
 * A row by column, each value by the type that the table gives it: integer number · long decimal string · double number
 * (-0 too) or "NaN", "Infinity", "-Infinity" · decimal plain decimal string with all its fraction digits · string string ·
 * boolean boolean · date "2026-01-31" · timestamp RFC 3339 with six fraction digits and Z (timestamp_ntz without) ·
 * binary padded base64 · struct object · array array · map object.
 */
export type LakeRow = { readonly [column: string]: Json }

export type LakeReader = AsyncDisposable & {
  readonly name: string
  /** How fine the points in time are that it sees; it rounds to the nearest, up from the middle. */
  readonly timestamps: 'microseconds' | 'milliseconds'
  /** All rows of a version, the newest unless it is named, in no order. */
  rows(table: LakeTable, version?: number): Promise<LakeRow[]>
  /**
   * The change data feed of the versions `from` to `to`, both included: the columns with `_change_type`, `_commit_version`
   * and `_commit_timestamp`, in no order.
   */
  changes(table: LakeTable, from: number, to: number): Promise<LakeRow[]>
}

/** Where readers find the table. */
export const uriOf = ({ bucket, path }: LakeTable): string => `s3://${bucket}/${path}`
