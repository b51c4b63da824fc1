/** How far an index follows its Table: one document in the index itself, written with the documents that it speaks of. */

import type { Search } from '../../backends/search/search.ts'
import { idAttribute } from './layout.ts'

export type Progress = {
  /** Of the log. */
  readonly epoch: number
  /** Every row change up to here is in the index. */
  readonly revision: number
  /** While `revision` is below it the index is being filled and must not be searched. */
  readonly filledAt: number
  /** The `fingerprint` of the layout that the documents were written under. */
  readonly layout: string
  /** When the server made the index that was filled; another time is another index of the same name. */
  readonly createdAt: string
  /** Who wrote it; empty when that indexer ended in order, with nothing under way. */
  readonly instance: string
}

/** The document's id. As base64url it would have an impossible length, so no row has it. */
const progressId = '_progress'
const attribute = '_progress'

/** The document as a line of NDJSON. It has none of the attributes that rows are found by. */
export function progressLine(progress: Progress): string {
  return JSON.stringify({ [idAttribute]: progressId, [attribute]: progress })
}

/** Undefined when the index has none, or one that this version cannot read. Throws INDEX_NOT_FOUND. */
export async function readProgress(search: Search, index: string): Promise<Progress | undefined> {
  const found = (await search.getDocument(index, progressId))?.[attribute]
  return isProgress(found) ? found : undefined
}

function isProgress(value: unknown): value is Progress {
  if (typeof value !== 'object' || value === null) return false
  const { epoch, revision, filledAt, layout, createdAt, instance } = value as Record<keyof Progress, unknown>
  return [epoch, revision, filledAt].every(Number.isSafeInteger) && [layout, createdAt, instance].every(isString)
}

function isString(value: unknown): value is string {
  return typeof value === 'string'
}
