/** Up to which revision the rows of an append-only Table are too old, by the statistics of its lake. */

import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { AddFile } from '../lake/delta/actions.ts'
import { readState } from '../lake/delta/state.ts'
import { expiredRevision } from '../lake/expiry.ts'
import { archivedRevision, firstCommitOf, firstRevisionOf, lastCommitOf, lastRevisionOf } from '../lake/files.ts'
import { downloadFile } from '../lake/objects.ts'
import { type CommittedUpTo, ParquetFiles } from '../lake/parquet.ts'
import type { Table } from '../table.ts'

const limits = { memory: '256MB', threads: 1 }

export type AppendedLook = {
  /** Rows up to this revision, the end of a batch, are too old or gone already; 0 when none are. */
  readonly due: number
  /** Rows up to this one are gone from the lake. */
  readonly expired: number
  /** When the oldest of the other rows was committed, in microseconds since 1970. */
  readonly oldest: number | undefined
}

/**
 * Rows that are archived and were committed at `cutoff` (microseconds since 1970) or before, with all rows in front of them. At most one
 * file is read, in `scratch`: that of which some rows are too old.
 * @throws LAKE_CORRUPT, LAKE_UNSUPPORTED, errors of the object store
 */
export async function lookAtLake(table: Table, cutoff: number, scratch: string): Promise<AppendedLook> {
  const state = await readState(table.lake)
  if (state === undefined) return { due: 0, expired: 0, oldest: undefined }
  const expired = expiredRevision(state, table)
  const files = [...state.files.values()].sort((a, b) => firstRevisionOf(a) - firstRevisionOf(b))
  let due = expired
  for (const [at, file] of files.entries()) {
    const next = files[at + 1]
    if (lastCommitOf(file) <= cutoff && Number.isFinite(lastRevisionOf(file))) {
      // Each file begins with a batch, so that what comes before it ends one.
      due = Math.max(due, next === undefined ? archivedRevision(state, table) : firstRevisionOf(next) - 1)
      continue
    }
    if (firstCommitOf(file) > cutoff) return { due, expired, oldest: firstCommitOf(file) }
    const { revision = 0, oldest } = await readBounds(table, file, cutoff, scratch)
    due = Math.max(due, revision)
    if (oldest !== undefined) return { due, expired, oldest }
  }
  return { due, expired, oldest: undefined }
}

async function readBounds(table: Table, file: AddFile, cutoff: number, scratch: string): Promise<CommittedUpTo> {
  const folder = join(scratch, `due-${randomUUID()}`)
  await mkdir(folder, { recursive: true })
  const parquet = await ParquetFiles.open(folder, limits)
  try {
    return await parquet.committedUpTo(table.schemas.current, await downloadFile(table.lake, file, folder), cutoff)
  } finally {
    parquet.close()
    await rm(folder, { recursive: true, force: true })
  }
}
