/** Waiting until a Table's lake holds a revision. */

import { demandArchive } from '../../engine/lake/demand.ts'
import type { Reports } from '../../engine/membership/reports.ts'
import type { Table } from '../../engine/table.ts'

/** How often the archiver is asked, in milliseconds: what is asked once may be lost, or asked before an archiver is there. */
const askMillis = 1_000

/** What is known of the Table that is waited for. */
export type Waited = {
  readonly table: Pick<Table, 'descriptor' | 'log'>
  readonly backends: { readonly reports: Pick<Reports, 'current' | 'onChange'> }
}

/** True once the lake holds the revision, false when the signal aborts before. The archiver is asked to hurry, until it has. */
export function archived({ table, backends }: Waited, revision: number, signal: AbortSignal): Promise<boolean> {
  const { uid, epoch } = table.descriptor
  const { reports } = backends
  const held = () =>
    reports
      .current()
      .some(one => one.kind === 'lake' && one.tableUid === uid && one.epoch === epoch && one.revision >= revision)
  if (held()) return Promise.resolve(true)
  return new Promise(resolve => {
    let asking: NodeJS.Timeout | undefined
    const settle = (reached: boolean) => {
      stop()
      clearInterval(asking)
      signal.removeEventListener('abort', aborted)
      resolve(reached)
    }
    const aborted = () => settle(false)
    const stop = reports.onChange(() => {
      if (held()) settle(true)
    })
    signal.addEventListener('abort', aborted, { once: true })
    if (signal.aborted) return settle(false)
    demandArchive(table, revision)
    asking = setInterval(() => demandArchive(table, revision), askMillis)
  })
}
