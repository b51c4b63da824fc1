/** What the removal of a Table's rows that are too old looks like in its status: pure. */

import type { Table } from '../../crds/types.gen.ts'
import type { ExpiryReport } from '../../engine/membership/reports.ts'
import type { ReportedCondition } from '../../operator/mod.ts'
import type { TableObserved, TableProgress } from './observe.ts'

/** Whether rows that are too old are removed; undefined where rows are kept for ever. Rows are written and read without it. */
export function expiryCondition(
  { spec }: Table,
  { expiry }: Pick<TableObserved, 'expiry'>,
): ReportedCondition | undefined {
  const seconds = spec.rows?.retentionSeconds
  if (seconds === undefined) return undefined
  const condition = { type: 'RowsExpire', gates: false } as const
  if (expiry === undefined)
    return { ...condition, status: 'False', reason: 'NoWorker', message: 'no worker removes rows that are too old yet' }
  if (expiry.error !== undefined) return { ...condition, status: 'False', reason: 'Failing', message: expiry.error }
  const message = `rows that are not written for ${seconds} seconds are removed`
  return { ...condition, status: 'True', reason: 'Expiring', message }
}

/** How far that is: as a worker says or, without one, as it was. Without retention nothing is said. */
export function expiryProgress({ spec, status }: Table, report: ExpiryReport | undefined): Pick<TableProgress, 'rows'> {
  if (spec.rows?.retentionSeconds === undefined) return {}
  const before = status?.progress?.rows
  if (report === undefined) return before === undefined ? {} : { rows: { ...before } }
  const { oldestTime, revision } = report
  if (oldestTime === undefined && revision === undefined) return {}
  return { rows: { ...(oldestTime && { oldestTime }), ...(revision && { expiredRevision: String(revision) }) } }
}
