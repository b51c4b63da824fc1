/** What a status says of erasures: pure. */

import type { Table, TableStatus } from '../../crds/types.gen.ts'
import type { ErasuresReport } from '../../engine/membership/reports.ts'
import type { ReportedCondition } from '../../operator/mod.ts'

type Said = { readonly erasures?: ErasuresReport | undefined }

/** Stores that status has room for. */
const maxStores = 100
/** Characters of a reason that it has room for. */
const maxReason = 256

/** Shown only while rows that were asked to be erased cannot be. */
export function erasuresCondition({ erasures }: Said): ReportedCondition | undefined {
  if (erasures?.error === undefined) return undefined
  return { type: 'Erasing', gates: false, status: 'False', reason: 'Failing', message: erasures.error }
}

/** As a worker says or, without one, as it was. */
export function erasuresOf(table: Table, { erasures: report }: Said): Pick<TableStatus, 'erasures'> {
  if (report === undefined || report.erasures.length === 0)
    return table.status?.erasures === undefined ? {} : { erasures: table.status.erasures }
  return {
    erasures: report.erasures.map(({ stores, revision, ...erasure }) => ({
      ...erasure,
      revision: String(revision),
      stores: stores
        .slice(0, maxStores)
        .map(({ reason, ...store }) =>
          reason === undefined ? store : { ...store, reason: reason.slice(0, maxReason) },
        ),
    })),
  }
}
