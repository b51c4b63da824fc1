/** Where a listing stands, between the pages of it: what a page token holds. */

import { BlastyError } from '../../base/errors.ts'
import type { KeyRange } from '../../engine/schema/key-range.ts'
import type { Table } from '../../engine/table.ts'

/** `after` is the key of the last row told; `range` that of the whole listing. */
export type PageCursor = { readonly revision: number; readonly after: Buffer; readonly range: KeyRange }

const text = (bytes: Buffer): string => bytes.toString('base64')

export function pageToken({ descriptor: { uid } }: Table, { revision, after, range }: PageCursor): string {
  const { start, end } = range
  const bounds = {
    ...(start === undefined ? {} : { start: text(start) }),
    ...(end === undefined ? {} : { end: text(end) }),
  }
  return Buffer.from(JSON.stringify({ uid, revision, after: text(after), ...bounds })).toString('base64url')
}

/** Reads a token back. Throws INVALID_ARGUMENT for one that this Table did not give out. */
export function pageCursor(table: Table, token: string): PageCursor {
  const wrong = (cause?: unknown) =>
    new BlastyError(
      'INVALID_ARGUMENT',
      { field: 'page_token', problem: 'is not one that this table gave out' },
      cause === undefined ? {} : { cause },
    )
  const cursor = orElse(() => JSON.parse(Buffer.from(token, 'base64url').toString()) as unknown, wrong)
  if (typeof cursor !== 'object' || cursor === null) throw wrong()
  const { uid, revision, after, start, end } = cursor as Record<string, unknown>
  if (uid !== table.descriptor.uid || typeof revision !== 'number' || typeof after !== 'string') throw wrong()
  if (!isBound(start) || !isBound(end)) throw wrong()
  const range = {
    ...(start === undefined ? {} : { start: Buffer.from(start, 'base64') }),
    ...(end === undefined ? {} : { end: Buffer.from(end, 'base64') }),
  }
  const key = Buffer.from(after, 'base64')
  const { encodeKey, decodeKey } = table.schemas
  if (!orElse(() => encodeKey(decodeKey(key)).equals(key), wrong)) throw wrong()
  return { revision, after: key, range }
}

function orElse<T>(read: () => T, wrong: (cause: unknown) => BlastyError): T {
  try {
    return read()
  } catch (error) {
    throw wrong(error)
  }
}

const isBound = (value: unknown): value is string | undefined => value === undefined || typeof value === 'string'

/** Whether two ranges are the same one. */
export function sameRange(one: KeyRange, other: KeyRange): boolean {
  const same = (a: Buffer | undefined, b: Buffer | undefined) =>
    a === undefined ? b === undefined : b?.equals(a) === true
  return same(one.start, other.start) && same(one.end, other.end)
}
