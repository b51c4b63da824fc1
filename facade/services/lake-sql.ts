/** SQL in Trino as the facade runs it: for statements whose Tables are to be queried there, over what their lakes hold. */

import { BlastyError, isBlastyError } from '../../base/errors.ts'
import type { ServedTable } from '../../directory/directory.ts'
import { Lease } from '../../engine/lake/delta/leases.ts'
import { logState } from '../../engine/log/log.ts'
import type { PinnedTable } from '../../engine/sql/trino/query.ts'
import { untranslated } from '../../engine/sql/trino/types.ts'
import { QueryEngine } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { archived } from './archived.ts'
import { patiently } from './scope.ts'

const nameOf = ({ resource }: ServedTable): string => resource.metadata.name
const engineOf = ({ resource }: ServedTable) => resource.spec.query.engine

/** Where SQL over the Table runs unless a request says otherwise, as it is at this moment. */
export function engineNow(served: ServedTable): 'Embedded' | 'Trino' {
  const engine = engineOf(served)
  return engine === 'Auto' ? (served.resource.status?.query?.engine ?? 'Embedded') : engine
}

/** Trino knows Tables that are to be queried there, and those of engine Auto that once were too large for the facades. */
const isInTrino = (served: ServedTable): boolean =>
  engineOf(served) === 'Trino' || (engineOf(served) === 'Auto' && served.resource.status?.external?.trino !== undefined)

export type Asked = {
  readonly engine: QueryEngine
  /** Only the facade can show the Tables as they were, or to a caller of limited rights. */
  readonly facadeOnly: boolean
}

/**
 * Whether a statement over these Tables runs in Trino. It is decided once, before it begins. Throws UNSUPPORTED where not all of them are
 * where it is to run, or Trino is to join Tables of two classes.
 */
export function runsInTrino(tables: readonly ServedTable[], { engine, facadeOnly }: Asked): boolean {
  switch (engine) {
    case QueryEngine.EMBEDDED: {
      const elsewhere = tables.find(served => engineOf(served) === 'Trino')
      if (elsewhere === undefined) return false
      const what = `the engine EMBEDDED for Table ${nameOf(elsewhere)}, whose query.engine is Trino,`
      throw new BlastyError('UNSUPPORTED', { what, instead: 'ask for no engine, or for TRINO' })
    }
    case QueryEngine.TRINO:
      if (tables.length === 0) untranslated('a statement without Tables', 'ask for no engine')
      break
    case QueryEngine.UNSPECIFIED: {
      const there = tables.filter(served => engineNow(served) === 'Trino')
      if (there.length === 0) return false
      if (facadeOnly && there.every(served => engineOf(served) === 'Auto')) return false
      break
    }
    default:
      throw new BlastyError('INVALID_ARGUMENT', { field: 'engine', problem: `${engine} is no engine` })
  }
  const instead = 'query Tables of one engine, or ask for the engine EMBEDDED where none of them is of engine Trino'
  const unknown = tables.find(served => !isInTrino(served))
  if (unknown !== undefined) untranslated(`Table ${nameOf(unknown)}, which is not there,`, instead)
  if (tables.some(({ backends }) => backends !== tables[0]?.backends))
    untranslated('Tables of several BackendClasses', instead)
  return true
}

/** Trino reads whole Tables. */
export const limitedInTrino = (): BlastyError =>
  new BlastyError('UNSUPPORTED', {
    what: 'SQL in Trino by a caller whose policy limits rows or columns',
    instead: 'ask for a policy on the whole Table, or for a Table whose query.engine is Embedded',
  })

/** Trino's client for a Table. Throws TABLE_NOT_READY where its class has none, BACKEND_REFUSED for credentials it cannot be given. */
export function trinoOf({ table, backends }: ServedTable): NonNullable<ServedTable['backends']['trino']> {
  if (backends.trino !== undefined) return backends.trino
  throw new BlastyError('TABLE_NOT_READY', { table: table.log.table, reason: 'its BackendClass has no trino' })
}

/**
 * The Table at the version of its lake that is newest, with the revision that this version holds; waits until that is
 * `wanted`, and asks the archiver to hurry.
 * @throws REVISION_NOT_REACHED at once when the log does not go that far, WAIT_TIMEOUT, TABLE_NOT_READY
 */
export async function pinned(
  served: ServedTable,
  wanted: number,
  patience: { readonly signal: AbortSignal; readonly deadline: number },
): Promise<PinnedTable> {
  const { table, resource } = served
  const title = table.log.table
  if (wanted > (newest(served)?.revision ?? 0)) {
    const { last } = await logState(table.log)
    if (wanted > last) throw new BlastyError('REVISION_NOT_REACHED', { revision: wanted, table: title, last })
    await patiently(patience, `the lake of table ${title}`, wanted, async signal => {
      if (!(await archived(served, wanted, signal))) signal.throwIfAborted()
    })
  }
  const lake = newest(served)
  const condition = resource.status?.conditions?.find(({ type }) => type === 'TrinoReady')
  if (lake === undefined || resource.status?.external?.trino === undefined) {
    const reason = condition?.message ?? 'the operator has not told Trino of it yet'
    throw new BlastyError('TABLE_NOT_READY', { table: title, reason })
  }
  const { namespace, name } = table.descriptor
  const { columns } = table.schemas.current
  return { catalog: trinoOf(served).catalog, schema: namespace, table: name, columns, ...lake }
}

/**
 * Keeps the version of a pinned Table from clean-up until `until` is disposed of.
 * @throws TABLE_NOT_READY when it is being cleaned up at this moment
 */
export async function leasedUntil(until: AsyncDisposableStack, { table }: ServedTable, version: number): Promise<void> {
  const lease = await Lease.take(table.lake, version, { holder: 'trino' }).catch(error => {
    if (!isBlastyError(error, 'LAKE_VERSION_EXPIRED')) throw error
    const reason = 'its lake has moved on; ask again'
    throw new BlastyError('TABLE_NOT_READY', { table: table.log.table, reason }, { cause: error })
  })
  // The statement may have failed over another of its Tables meanwhile.
  if (until.disposed) await lease.release()
  else until.defer(() => lease.release())
}

/** What the archiver says that the lake holds or, without one, what the operator noted of it. */
function newest({
  table,
  backends,
  resource,
}: ServedTable): { readonly version: number; readonly revision: number } | undefined {
  const { uid, epoch } = table.descriptor
  const noted = resource.status?.external?.epoch === epoch ? resource.status.progress?.lake : undefined
  const known = [
    ...backends.reports
      .current()
      .flatMap(one => (one.kind === 'lake' && one.tableUid === uid && one.epoch === epoch ? [one] : [])),
    ...(noted === undefined ? [] : [{ revision: Number(noted.revision), version: noted.version }]),
  ].filter(({ version }) => version >= 0)
  const [first] = known.sort((a, b) => b.version - a.version)
  return first && { version: first.version, revision: first.revision }
}
