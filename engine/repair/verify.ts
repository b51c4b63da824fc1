/** Compares log, lake, replicas, indexes and blobs of one Table by key and checksum. Reads, and changes nothing. */

import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Search } from '../../backends/search/search.ts'
import { blobColumns } from '../blobs/check.ts'
import type { Row } from '../schema/schema.ts'
import { type TableParts, workUntil } from '../until.ts'
import { Findings } from './findings.ts'
import { RowDigests } from './row-digests.ts'
import { checkBlobs, compareIndex, compareServed } from './verify-copies.ts'
import { readLake } from './verify-lake.ts'
import { compareLog } from './verify-log.ts'

export type ServedRows = AsyncIterable<readonly { readonly row: Row; readonly revision: number }[]>

export type VerifyOptions = {
  /** Scratch folder: it takes some hundred bytes a row. */
  readonly directory: string
  readonly signal: AbortSignal
  /** The search indexes of the Table, by the names of their Index. */
  readonly indexes?: readonly { readonly name: string; readonly index: string; readonly search: Search }[]
  /** How long an index may take to reach the log's end, in milliseconds. */
  readonly waitMillis?: number
  /** The rows that a facade serves, at least as new as a revision. */
  readonly served?: (revision: number) => ServedRows
  /** Told what is looked at next. */
  readonly onProgress?: (doing: string) => void
}

export type Verified = {
  readonly findings: Findings
  readonly epoch: number
  /** The revision that was compared. */
  readonly revision: number
  /** Rows at that revision; batches of rows where there are no keys. */
  readonly rows: number
}

/** @throws errors of backends that could not be asked, LOG_LOST, EPOCH_CHANGED, the signal's reason */
export function verifyTable(table: TableParts, options: VerifyOptions): Promise<Verified> {
  return workUntil(table, options.signal, parts => compareAll(parts, options))
}

async function compareAll(table: TableParts, options: VerifyOptions): Promise<Verified> {
  const { directory, signal, indexes = [], served, waitMillis = 60_000, onProgress = () => {} } = options
  const findings = new Findings()
  const stores: { readonly store: RowDigests; readonly folder: string }[] = []
  const digests = () => {
    const folder = join(directory, `digests-${randomUUID()}`)
    const store = new RowDigests(folder)
    stores.push({ store, folder })
    return store
  }
  try {
    const rows = digests()
    onProgress('reading the lake')
    const lake = findings.of('lake')
    const folder = join(directory, `lake-${randomUUID()}`)
    const look = await readLake(table, rows, { report: lake, folder, signal })
    onProgress('reading the log')
    const options = { archived: look?.archived ?? 0, report: findings.of('log'), signal }
    const { revision, changed } = await compareLog(table, rows, digests(), options)
    for (const { name, index, search } of indexes) {
      onProgress(`reading index ${name}`)
      const report = findings.of('index', name)
      await compareIndex(table, {
        report,
        rows,
        revision,
        changed,
        found: digests(),
        search,
        index,
        waitMillis,
        signal,
      })
    }
    if (served !== undefined) {
      onProgress('reading the rows that the facade serves')
      const report = findings.of('replica')
      await compareServed(table, served(revision), { report, rows, revision, found: digests(), signal })
    }
    if (blobColumns(table.schemas.current).length > 0) {
      onProgress('looking for blobs')
      await checkBlobs(table, { rows, report: findings.of('blobs'), signal })
    }
    return { findings, epoch: table.log.epoch, revision, rows: rows.count }
  } finally {
    for (const { store, folder } of stores) {
      await store.close()
      await rm(folder, { recursive: true, force: true })
    }
  }
}
