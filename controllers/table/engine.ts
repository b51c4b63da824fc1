/** Where SQL over a Table runs whose query engine is Auto: by the size of its lake, with room between there and back. Pure. */

import type { Table } from '../../crds/types.gen.ts'
import type { TrinoSeen } from './trino.ts'

export type Engine = 'Embedded' | 'Trino'

/**
 * Whether the Table is too large for the facades, of which each says up to how many bytes of its lake it takes a Table in. One that
 * was too large fits again at half of that, so that it does not go to and fro. Without a facade that says so it is as it was.
 */
export function isLarge(table: Table, lakeBytes: number, embeddedBytes: number | undefined): boolean {
  const before = table.status?.query?.engine === 'Trino'
  if (table.spec.query.engine !== 'Auto') return false
  if (embeddedBytes === undefined) return before
  return lakeBytes > embeddedBytes || (before && lakeBytes > embeddedBytes / 2)
}

/** The engine as status tells it. A large Table changes over when Trino knows it, and not back when Trino is away for a moment. */
export function engineOf(table: Table, large: boolean, trino: TrinoSeen | undefined, location: string): Engine {
  const { engine } = table.spec.query
  if (engine !== 'Auto') return engine
  if (!large) return 'Embedded'
  if (trino?.kind === 'known') return trino.location === location ? 'Trino' : 'Embedded'
  return trino?.kind === 'failed' ? (table.status?.query?.engine ?? 'Embedded') : 'Embedded'
}
