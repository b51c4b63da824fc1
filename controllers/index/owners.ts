/** Ownership marks of search indexes: one document each in an index of the product's own, since an index has no place for it. */

import type { Search } from '../../backends/search/search.ts'
import { isBlastyError } from '../../base/errors.ts'
import { type Found, type Mark, markDocument, markOfDocument, unmarked } from '../marks.ts'

/** Holds the marks; its documents' ids are the names of the indexes. */
export const ownersIndex = 'blasty_owners'

/** The mark of an index, whether it exists or not. */
export async function lookAtOwner(search: Search, index: string): Promise<Found> {
  try {
    const document = await search.getDocument(ownersIndex, index)
    return document === undefined ? unmarked : markOfDocument(document)
  } catch (error) {
    if (isBlastyError(error, 'INDEX_NOT_FOUND')) return unmarked
    throw error
  }
}

/** Marks an index, before it is made. */
export async function putOwner(search: Search, index: string, mark: Mark): Promise<void> {
  const document = JSON.stringify({ id: index, ...markDocument(mark) })
  const task = await search.addDocuments(ownersIndex, document, 'id')
  await search.taskDone(ownersIndex, task)
}

/** Takes the mark away, after the index is gone. */
export async function removeOwner(search: Search, index: string): Promise<void> {
  try {
    await search.taskDone(ownersIndex, await search.deleteDocuments(ownersIndex, [index]))
  } catch (error) {
    if (!isBlastyError(error, 'INDEX_NOT_FOUND')) throw error
  }
}
