/** Waiting until every Index of a Table holds a revision. */

import type { ServedTable } from '../../directory/directory.ts'
import { indexesByTable } from '../../directory/kinds.ts'
import { keyFor, type Reader } from '../../operator/mod.ts'

/** True once all Indexes hold the revision, false when the signal aborts before. */
export type Searchable = (served: ServedTable, revision: number, signal: AbortSignal) => Promise<boolean>

/** Waits on what the workers report. */
export function searchableByReports(read: Reader): Searchable {
  return (served, revision, signal) => {
    const { namespace, name } = served.table.descriptor
    const { reports } = served.backends
    const behind = () => {
      const indexes = read(indexesByTable.kind).by(indexesByTable, keyFor(name, namespace))
      return indexes.some(({ metadata }) => {
        const report = reports.current().find(one => one.kind === 'index' && one.indexUid === metadata.uid)
        return report?.kind !== 'index' || report.epoch !== served.table.descriptor.epoch || report.revision < revision
      })
    }
    return new Promise(resolve => {
      const settle = (reached: boolean) => {
        stop()
        signal.removeEventListener('abort', aborted)
        resolve(reached)
      }
      const look = () => {
        if (!behind()) settle(true)
      }
      const aborted = () => settle(false)
      const stop = reports.onChange(look)
      signal.addEventListener('abort', aborted, { once: true })
      if (signal.aborted) settle(false)
      else look()
    })
  }
}
