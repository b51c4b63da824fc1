/** The range of keys that a listing asks for, as the generic service takes it. */

import type { KeyBounds } from '../../engine/schema/key-range.ts'
import { parsed } from '../../engine/schema/parsed.ts'
import type { Table } from '../../engine/table.ts'
import type { KeyRange } from '../../proto/gen/blasty/v1/query_service_pb.js'

/** Reads the bounds. Throws INVALID_ARGUMENT or INVALID_ROW naming the field; undefined when there are none. */
export function boundsOf({ schemas: { codec } }: Table, range: KeyRange | undefined): KeyBounds | undefined {
  if (range === undefined) return undefined
  const leading = (json: string, field: string) => codec.keyPrefix(parsed(json, `range.${field}`), `range.${field}`)
  const { prefixJson, startsWith, start, untilJson } = range
  return {
    ...(prefixJson === '' ? {} : { prefix: leading(prefixJson, 'prefix_json') }),
    ...(startsWith === '' ? {} : { startsWith }),
    ...(start.case === 'fromJson' ? { from: leading(start.value, 'from_json') } : {}),
    ...(start.case === 'afterJson' ? { after: leading(start.value, 'after_json') } : {}),
    ...(untilJson === '' ? {} : { until: leading(untilJson, 'until_json') }),
  }
}
