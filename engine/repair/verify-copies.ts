/** Whether what is derived from a Table is true to its rows: a search index, the rows that a facade serves, the blobs that rows name. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Search } from '../../backends/search/search.ts'
import { storedOf } from '../blobs/content.ts'
import { documentId } from '../indexing/document.ts'
import { keyAttribute, revisionAttribute } from '../indexing/layout.ts'
import { readProgress } from '../indexing/progress.ts'
import type { Row } from '../schema/schema.ts'
import type { TableParts } from '../until.ts'
import type { PartReport } from './findings.ts'
import { digester, type RowDigests } from './row-digests.ts'
import { changedSince, named, textOf } from './verify-log.ts'

const pageDocuments = 1_000
const pauseMillis = 250
/** Blobs whose presence is remembered, so that one that many rows name is asked for once. */
const rememberedBlobs = 100_000

export type CopyOptions = {
  readonly report: PartReport
  /** The rows of the Table at `revision`. */
  readonly rows: RowDigests
  readonly revision: number
  /** An empty store for what the copy holds. */
  readonly found: RowDigests
  readonly signal: AbortSignal
}

export type IndexOptions = CopyOptions & {
  readonly search: Search
  readonly index: string
  /** Revision that the index must have reached before it is looked at. */
  readonly changed: number
  readonly waitMillis: number
}

/** Each document's key and revision against the rows. An index that does not get there in time is a difference. */
export async function compareIndex(table: TableParts, options: IndexOptions): Promise<void> {
  const { search, index, report, rows, found, signal } = options
  if (!(await untilIndexed(table, options))) return
  const noBytes = Buffer.alloc(0)
  for (let offset = 0; ; offset += pageDocuments) {
    signal.throwIfAborted()
    const fields = [keyAttribute, revisionAttribute]
    const documents = await search.documents(index, { fields, offset, limit: pageDocuments })
    found.together(() => {
      for (const { [keyAttribute]: key, [revisionAttribute]: revision } of documents) {
        // The progress document has no key.
        if (typeof key !== 'string') continue
        found.put(Buffer.from(key, 'base64url'), { revision: Number(revision), digest: noBytes, blobs: [] })
      }
    })
    if (documents.length < pageDocuments) break
  }
  const isThere = async (key: Buffer) => {
    const document = await search.getDocument(index, documentId(key))
    return document === undefined ? undefined : Number(document[revisionAttribute])
  }
  await compareCopy(table, { ...options, rows, found, report }, false, isThere)
}

async function untilIndexed(table: TableParts, options: IndexOptions): Promise<boolean> {
  const { search, index, changed, waitMillis, report, signal } = options
  for (const until = performance.now() + waitMillis; ; ) {
    if ((await search.getIndex(index)) === undefined) {
      report.differs(`index ${index} does not exist`)
      return false
    }
    const progress = await readProgress(search, index)
    const sameEpoch = progress?.epoch === table.log.epoch
    if (progress !== undefined && sameEpoch && progress.revision >= Math.max(changed, progress.filledAt)) return true
    if (performance.now() > until) {
      const at =
        progress === undefined
          ? 'says nothing of how far it is'
          : `is at revision ${progress.revision} of epoch ${progress.epoch}`
      report.differs(`index ${index} ${at}, not at ${changed} of epoch ${table.log.epoch}`)
      return false
    }
    await sleep(pauseMillis, undefined, { signal })
  }
}

/** Rows as a facade serves them, in any order, against the Table's. */
export async function compareServed(
  table: TableParts,
  served: AsyncIterable<readonly { readonly row: Row; readonly revision: number }[]>,
  options: CopyOptions,
): Promise<void> {
  const { found } = options
  const digest = digester(table.schemas.current)
  for await (const page of served) {
    options.signal.throwIfAborted()
    found.together(() => {
      for (const { row, revision } of page) found.put(table.schemas.encodeKey(row), digest(revision, row))
    })
  }
  await compareCopy(table, options, true, async key => found.get(key)?.revision)
}

/** Rows that changed while they were compared are passed over: the copy may well be newer. */
async function compareCopy(
  table: TableParts,
  { report, rows, found, revision, signal }: CopyOptions,
  values: boolean,
  current: (key: Buffer) => Promise<number | undefined>,
): Promise<void> {
  const suspects: { readonly key: Buffer; readonly problem: string; readonly wanted: number | undefined }[] = []
  for (const { key, row } of rows.entries()) {
    report.compared()
    const copy = found.get(key)
    if (copy === undefined)
      suspects.push({ key, problem: `is missing; it is at revision ${row.revision}`, wanted: row.revision })
    else if (copy.revision !== row.revision)
      suspects.push({
        key,
        problem: `is there at revision ${copy.revision}, not ${row.revision}`,
        wanted: row.revision,
      })
    else if (values && !copy.digest.equals(row.digest))
      suspects.push({ key, problem: `is there with other values at revision ${row.revision}`, wanted: undefined })
  }
  for (const { key, row } of found.entries()) {
    if (rows.get(key) === undefined)
      suspects.push({
        key,
        problem: `is there at revision ${row.revision}, and there is no such row`,
        wanted: undefined,
      })
  }
  if (suspects.length === 0) return
  const touched = await changedSince(table, revision, signal)
  for (const { key, problem, wanted } of suspects) {
    if (touched.has(textOf(key))) continue
    // What was read page by page while others wrote may have been passed over.
    if (wanted !== undefined && (await current(key)) === wanted) continue
    report.differs(`${named(table, key)} ${problem}`)
  }
}

/** Whether the content of every blob that a row names is stored. */
export async function checkBlobs(
  table: TableParts,
  { rows, report, signal }: Pick<CopyOptions, 'rows' | 'report' | 'signal'>,
): Promise<void> {
  const { objects, bucket } = table.lake
  const known = new Map<string, boolean>()
  for (const { key, row } of rows.entries()) {
    for (const sha256 of row.blobs) {
      signal.throwIfAborted()
      let stored = known.get(sha256)
      if (stored === undefined) {
        stored = (await storedOf({ objects, bucket }, sha256)).length > 0
        report.compared()
        if (known.size >= rememberedBlobs) known.clear()
        known.set(sha256, stored)
      }
      if (!stored) report.differs(`${named(table, key)} names blob ${sha256}, which is not stored`)
    }
  }
}
