/** Forgetting in a search index: its indexer deletes the documents by itself, and this looks whether they are gone. */

import type { Search } from '../../backends/search/search.ts'
import { isBlastyError } from '../../base/errors.ts'
import { documentId } from '../indexing/document.ts'
import { revisionAttribute } from '../indexing/layout.ts'
import { readProgress } from '../indexing/progress.ts'
import type { Targets } from './targets.ts'

/** Whether everything up to a revision is in an index, by its own progress document. */
export async function indexReached(search: Search, index: string, epoch: number, revision: number): Promise<boolean> {
  const progress = await readProgress(search, index).catch(error => {
    if (!isBlastyError(error, 'INDEX_NOT_FOUND')) throw error
    return undefined
  })
  return (
    progress !== undefined && progress.epoch === epoch && progress.revision >= Math.max(revision, progress.filledAt)
  )
}

/** How many keys an index still has a document of that is as old as their erasure. */
export async function leftInIndex(search: Search, index: string, { keys }: Targets): Promise<number> {
  let left = 0
  for (const { key, upTo } of keys) {
    const document = await search.getDocument(index, documentId(key))
    if (document !== undefined && Number(document[revisionAttribute]) <= upTo) left++
  }
  return left
}
