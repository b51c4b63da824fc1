/** From what is observed of an Index to what must be done, and its status: pure. */

import type { Settings } from '../../backends/search/search.ts'
import type { Index } from '../../crds/types.gen.ts'
import { idAttribute, indexLayout } from '../../engine/indexing/layout.ts'
import { indexSettings, settingsToChange } from '../../engine/indexing/settings.ts'
import { type Plan, type ReportedCondition, type StatusReport, stalled } from '../../operator/mod.ts'
import type { IndexObserved } from './observe.ts'

export type IndexAction =
  | { readonly type: 'PutOwner' }
  | { readonly type: 'RemoveIndex' }
  | { readonly type: 'CreateIndex' }
  | { readonly type: 'UpdateSettings'; readonly settings: Settings }

export function planIndex(index: Index, { made, owner, index: seen }: IndexObserved): Plan<IndexAction> {
  const { ownership, found } = owner
  // A mark comes before its index, so no mark and no index is how it all begins.
  if (ownership.type === 'foreign' && (found.marked !== 'no' || seen !== undefined)) {
    return stalled(ownership.reason, ownership.message, { condition: 'Provisioned' })
  }
  const actions: IndexAction[] = ownership.type === 'ours' ? [] : [{ type: 'PutOwner' }]
  const { tableUID } = index.status ?? {}
  const outdated = tableUID !== undefined && tableUID !== made.table.metadata.uid
  const wrongKey = seen?.info.primaryKey !== undefined && seen.info.primaryKey !== idAttribute
  // An index is derived: one of another Table, or that was retained, is filled anew.
  const foreignContent = seen !== undefined && (outdated || wrongKey || ownership.type === 'adoptable')
  if (foreignContent) actions.push({ type: 'RemoveIndex' })
  if (seen === undefined || foreignContent) actions.push({ type: 'CreateIndex' })
  const wanted = indexSettings(index.spec, made.schema)
  const settings = seen === undefined || foreignContent ? wanted : settingsToChange(wanted, seen.settings)
  if (settings !== undefined) actions.push({ type: 'UpdateSettings', settings })
  return actions
}

export function indexStatus(index: Index, observed: IndexObserved): StatusReport {
  const { target, made, progress } = observed
  const { external, tableUID } = index.status ?? {}
  const provisioned = provisionedCondition(index, observed)
  const done = provisioned.status === 'True'
  const filled = filledCondition(index, observed)
  return {
    conditions: [provisioned, filled],
    fields: {
      ...(done ? { external: { index: target.name } } : external && { external }),
      ...(done ? { tableUID: made.table.metadata.uid } : tableUID && { tableUID }),
      ...(progress && { progress }),
    },
    ...(filled.status === 'True' ? {} : { afterSeconds: 10 }),
  }
}

function provisionedCondition(index: Index, observed: IndexObserved): ReportedCondition {
  const type = 'Provisioned'
  const plan = planIndex(index, observed)
  if ('blocked' in plan) return { type, status: 'False', reason: plan.reason, message: plan.message }
  const { name } = observed.target
  return plan.length > 0
    ? { type, status: 'False', reason: 'Creating', message: `search index ${name} is not as it must be yet` }
    : { type, status: 'True', reason: 'Created', message: `search index ${name} has its settings` }
}

/** Whether the index holds every row of its Table, as its documents' layout wants them: the indexer writes so into it. */
function filledCondition(
  index: Index,
  { made, index: seen, written, report, workers }: IndexObserved,
): ReportedCondition {
  const type = 'Filled'
  if (report?.error !== undefined) return { type, status: 'False', reason: 'IndexerFailed', message: report.error }
  const filled =
    written !== undefined &&
    written.createdAt === seen?.info.createdAt &&
    written.epoch === made.epoch &&
    written.layout === indexLayout(index.spec, made.schema).fingerprint &&
    written.revision >= written.filledAt
  if (filled) return { type, status: 'True', reason: 'Filled', message: 'every row is in the index' }
  if (workers === 0) return { type, status: 'False', reason: 'NoWorker', message: 'no worker is running' }
  return { type, status: 'False', reason: 'Filling', message: 'the rows are being put into the index' }
}
