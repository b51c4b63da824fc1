/** How an Index is on the search server: reads, never writes. */

import type { IndexInfo, Search, Settings } from '../../backends/search/search.ts'
import { isBlastyError } from '../../base/errors.ts'
import type { Index } from '../../crds/types.gen.ts'
import { type Progress, readProgress } from '../../engine/indexing/progress.ts'
import type { IndexReport } from '../../engine/membership/reports.ts'
import type { Backends } from '../backends.ts'
import type { DependentTarget, MadeTable } from '../dependents.ts'
import { type Found, judge, type Ownership } from '../marks.ts'
import { lookAtOwner } from './owners.ts'

export type IndexProgress = NonNullable<Index['status']['progress']>

export type IndexObserved = {
  readonly target: DependentTarget
  readonly made: MadeTable
  readonly owner: { readonly found: Found; readonly ownership: Ownership }
  readonly index: { readonly info: IndexInfo; readonly settings: Settings } | undefined
  /** What the indexer wrote down in the index itself. */
  readonly written: Progress | undefined
  readonly report: IndexReport | undefined
  readonly workers: number
  readonly progress: IndexProgress | undefined
}

export async function observeIndex(
  index: Index,
  made: MadeTable,
  target: DependentTarget,
  { search, reported }: Backends,
  fold: (current: IndexProgress) => IndexProgress,
): Promise<IndexObserved> {
  const [found, seen] = await Promise.all([lookAtOwner(search, target.name), lookAtIndex(search, target.name)])
  const report = reported.index(index.metadata.uid)
  const { epoch, revision, documents } = report ?? {}
  return {
    target,
    made,
    owner: { found, ownership: judge(`search index ${target.name}`, found, target.mark, target.adoption) },
    index: seen && { info: seen.info, settings: seen.settings },
    written: seen?.written,
    report,
    workers: reported.workers,
    progress:
      epoch === undefined || revision === undefined || documents === undefined
        ? index.status?.progress
        : fold({ epoch, revision: String(revision), documents }),
  }
}

type Seen = { readonly info: IndexInfo; readonly settings: Settings; readonly written: Progress | undefined }

async function lookAtIndex(search: Search, name: string): Promise<Seen | undefined> {
  const info = await search.getIndex(name)
  if (info === undefined) return undefined
  try {
    const [settings, written] = await Promise.all([search.settings(name), readProgress(search, name)])
    return { info, settings, written }
  } catch (error) {
    if (isBlastyError(error, 'INDEX_NOT_FOUND')) return undefined
    throw error
  }
}
