/** Ownership marks of search indexes, read and written as those of buckets and streams are. */

import { readMark, removeMark, writeMark } from '../../backends/search/marks.ts'
import type { Search } from '../../backends/search/search.ts'
import { type Found, type Mark, markDocument, markOfDocument, unmarked } from '../marks.ts'

/** The mark of an index, whether it exists or not. */
export async function lookAtOwner(search: Search, index: string): Promise<Found> {
  const document = await readMark(search, index)
  return document === undefined ? unmarked : markOfDocument(document)
}

/** Marks an index, before it is made. */
export function putOwner(search: Search, index: string, mark: Mark): Promise<void> {
  return writeMark(search, index, markDocument(mark))
}

/** Takes the mark away, after the index is gone. */
export const removeOwner: (search: Search, index: string) => Promise<void> = removeMark
