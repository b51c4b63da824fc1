/** SQL in Trino as the facade runs it: for statements all of whose Tables ask for it, over what their lakes hold. */

import { BlastyError } from '../../base/errors.ts'
import type { ServedTable } from '../../directory/directory.ts'
import { logState } from '../../engine/log/log.ts'
import type { PinnedTable } from '../../engine/sql/trino/query.ts'
import { untranslated } from '../../engine/sql/trino/types.ts'
import { archived } from './archived.ts'
import { patiently } from './scope.ts'

const inTrino = ({ resource }: ServedTable): boolean => resource.spec.query.engine === 'Trino'

/** Whether a statement over these Tables runs in Trino. Throws UNSUPPORTED for Tables of both engines or of two classes. */
export function runsInTrino(tables: readonly ServedTable[]): boolean {
  const wanting = tables.filter(inTrino)
  if (wanting.length === 0) return false
  const embedded = tables.find(served => !inTrino(served))
  const [{ backends } = { backends: undefined }] = wanting
  if (embedded !== undefined)
    untranslated(
      `Table ${embedded.resource.metadata.name}, whose query.engine is not Trino,`,
      'query Tables of one engine',
    )
  if (wanting.some(served => served.backends !== backends)) untranslated('Tables of several BackendClasses')
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
