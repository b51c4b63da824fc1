/** The range of keys that a listing asks for, as a Table's own service takes it. */

import type { KeyBounds } from '../../engine/schema/key-range.ts'
import type { RowCodec } from '../../engine/schema/rows.ts'
import type { ColumnsCodec } from './codec.ts'

/** The fields of a list request that make its range; each message holds leading key columns. */
export type ListRange = {
  readonly prefix?: object
  readonly startsWith: string
  readonly start:
    | { readonly case: 'from' | 'after'; readonly value: object }
    | { readonly case: undefined; readonly value?: undefined }
  readonly until?: object
}

/** Reads the bounds. Throws INVALID_ROW naming the field; undefined when there are none. */
export function boundsOf(
  codec: RowCodec,
  messages: ColumnsCodec | undefined,
  { prefix, startsWith, start, until }: ListRange,
): KeyBounds | undefined {
  const unbounded = prefix === undefined && startsWith === '' && start.case === undefined && until === undefined
  if (messages === undefined || unbounded) return undefined
  const leading = (message: object, place: string) => codec.keyPrefix(messages.read(message, place), place)
  return {
    ...(prefix === undefined ? {} : { prefix: leading(prefix, 'prefix') }),
    ...(startsWith === '' ? {} : { startsWith }),
    ...(start.case === undefined ? {} : { [start.case]: leading(start.value, start.case) }),
    ...(until === undefined ? {} : { until: leading(until, 'until') }),
  }
}
