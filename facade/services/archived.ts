/** Waiting until a Table's lake holds a revision. */

import type { ServedTable } from '../../directory/directory.ts'
import { demandArchive } from '../../engine/lake/demand.ts'

/** True once the lake holds the revision, false when the signal aborts before. The archiver is asked to hurry. */
export function archived({ table, backends }: ServedTable, revision: number, signal: AbortSignal): Promise<boolean> {
  const { uid, epoch } = table.descriptor
  const { reports } = backends
  const held = () =>
    reports
      .current()
      .some(one => one.kind === 'lake' && one.tableUid === uid && one.epoch === epoch && one.revision >= revision)
  if (held()) return Promise.resolve(true)
  return new Promise(resolve => {
    const settle = (reached: boolean) => {
      stop()
      signal.removeEventListener('abort', aborted)
      resolve(reached)
    }
    const aborted = () => settle(false)
    const stop = reports.onChange(() => {
      if (held()) settle(true)
    })
    signal.addEventListener('abort', aborted, { once: true })
    if (signal.aborted) settle(false)
    else demandArchive(table, revision)
  })
}
