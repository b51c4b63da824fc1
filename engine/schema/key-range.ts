/** Ranges of keys: from bounds that name leading key columns to bounds of encoded keys. */

import { BlastyError } from '../../base/errors.ts'
import type { Row, TableSchema } from './schema.ts'

/** Encoded keys from `start` on, up to but without `end`; open where unset. */
export type KeyRange = { readonly start?: Buffer; readonly end?: Buffer }

/** What a range is made of; each row holds the first key columns, one or more, maybe all. */
export type KeyBounds = {
  /** Only keys that begin with these values. */
  readonly prefix?: Row
  /** Only keys whose next column, a String, begins with this text. */
  readonly startsWith?: string
  /** Keys from these values on. */
  readonly from?: Row
  /** Keys behind all that begin with these values. */
  readonly after?: Row
  /** Keys before all that begin with these values. */
  readonly until?: Row
}

/**
 * The range that fulfils all bounds; undefined when no key can. Encoded tuples sort as tuples do and none begins another,
 * so that the bytes of leading columns bound what begins with them.
 * @throws INVALID_ARGUMENT when `startsWith` has no String column to apply to
 */
export function keyRange(
  schema: TableSchema,
  encode: (leading: Row) => Buffer,
  bounds: KeyBounds,
): KeyRange | undefined {
  const { prefix, startsWith, from, after, until } = bounds
  const starts: Buffer[] = []
  const ends: (Buffer | undefined)[] = []
  if (prefix !== undefined || startsWith !== undefined) {
    const begins = Buffer.concat([encode(prefix ?? {}), textOf(schema, prefix, startsWith)])
    starts.push(begins)
    ends.push(successor(begins))
  }
  if (from !== undefined) starts.push(encode(from))
  if (after !== undefined) {
    const behind = successor(encode(after))
    if (behind === undefined) return undefined
    starts.push(behind)
  }
  if (until !== undefined) ends.push(encode(until))
  const start = starts.toSorted(Buffer.compare).at(-1)
  const [end] = ends.filter(bound => bound !== undefined).toSorted(Buffer.compare)
  if (start !== undefined && end !== undefined && start.compare(end) >= 0) return undefined
  return { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) }
}

function textOf(schema: TableSchema, prefix: Row | undefined, startsWith: string | undefined): Buffer {
  if (startsWith === undefined) return Buffer.alloc(0)
  const name = schema.primaryKey[Object.keys(prefix ?? {}).length]
  const invalid = (problem: string) => new BlastyError('INVALID_ARGUMENT', { field: 'range.starts_with', problem })
  if (schema.columns.find(column => column.name === name)?.type !== 'String')
    throw invalid(name === undefined ? 'no key column is left' : `the next key column, ${name}, is no String`)
  if (startsWith.includes('\0') || !startsWith.isWellFormed()) throw invalid('no String holds such text')
  return Buffer.from(startsWith)
}

/** The first bytes that sort behind all that begin with these; undefined when there are none. */
export function successor(bytes: Buffer): Buffer | undefined {
  let length = bytes.length
  while (length > 0 && bytes[length - 1] === 0xff) length--
  if (length === 0) return undefined
  const next = Buffer.from(bytes.subarray(0, length))
  next[length - 1] = (next[length - 1] ?? 0) + 1
  return next
}
