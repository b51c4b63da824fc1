/** Marks that say whose an index is. The server keeps no metadata of indexes, so they are documents of a reserved one. */

import { unless } from './errors.ts'
import type { Search } from './search.ts'

/** Name of the reserved index. The server makes it with the first mark. */
export const ownersIndex = 'blasty_owners'

const idField = 'index'

/** The fields of a mark, as its owner chose them; none is called `index`. */
export type Mark = Readonly<Record<string, string>>

/** Writes the mark of an index, before the index is made, and returns when it can be read. A mark that is there is replaced: read it first. */
export async function writeMark(search: Search, index: string, mark: Mark): Promise<void> {
  const line = JSON.stringify({ ...mark, [idField]: index })
  await search.taskDone(ownersIndex, await search.addDocuments(ownersIndex, line, idField))
}

/** The mark of an index; undefined when it has none. */
export async function readMark(search: Search, index: string): Promise<Mark | undefined> {
  const found = await search.getDocument(ownersIndex, index).catch(unless('INDEX_NOT_FOUND', undefined))
  if (found === undefined) return undefined
  const fields = Object.entries(found).filter(([name, value]) => name !== idField && typeof value === 'string')
  return Object.fromEntries(fields.map(([name, value]) => [name, String(value)]))
}

/** Removes a mark, after its index is gone. None there is fine. */
export async function removeMark(search: Search, index: string): Promise<void> {
  const task = await search.deleteDocuments(ownersIndex, [index]).catch(unless('INDEX_NOT_FOUND', undefined))
  if (task !== undefined) await search.taskDone(ownersIndex, task).catch(unless('INDEX_NOT_FOUND', undefined))
}
