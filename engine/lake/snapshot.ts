/** The rows of a Table as its lake holds them, at the newest revision or an older one, for whoever cannot have them from the log. */

import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isBlastyError } from '../../base/errors.ts'
import type { TableParts } from '../until.ts'
import { expired } from './as-of.ts'
import type { AddFile } from './delta/actions.ts'
import { readVector } from './delta/deletion-vector.ts'
import { readCommit } from './delta/history.ts'
import type { DeltaLake } from './delta/lake.ts'
import { Lease, leasedState } from './delta/leases.ts'
import { type LakeState, readState } from './delta/state.ts'
import { expiredRevision, expiryTime } from './expiry.ts'
import { archivedRevision, erasedRevision, firstRevisionOf, reachedRevision, schemaNumberOf } from './files.ts'
import { downloadFile } from './objects.ts'
import { ParquetFiles, type SourceFile } from './parquet.ts'
import { firstVersionBeyond, markAt, revisionMark, stateAt } from './versions.ts'

const limits = { memory: '512MB', threads: 2 }

export type LakeSnapshot = {
  readonly revision: number
  /** Of the lake. */
  readonly version: number
  /** The last revision whose erasures the lake has done. */
  readonly erased: number
  /** Each file with its live rows, which lies in the scratch folder until the next is asked for. */
  readonly files: () => AsyncGenerator<SourceFile>
  readonly parquet: ParquetFiles
  readonly close: () => Promise<void>
}

/**
 * Opens the newest snapshot, or that of a version; undefined when there is no lake. The schema that it is written under is known to the
 * Table then: under an older one columns would be missing. `scratch` is a folder for files on their way. Until it is closed, a lease keeps
 * its files from clean-up.
 * Throws LAKE_VERSION_EXPIRED and INVALID_ARGUMENT for a version that is not there.
 */
export async function openSnapshot(
  table: Omit<TableParts, 'keyed'>,
  scratch: string,
  version?: number,
): Promise<LakeSnapshot | undefined> {
  const found = await leasedState(table.lake, 'snapshot', version)
  if (found === undefined) return undefined
  const { state, lease } = found
  return open(table, lease, scratch, async () => {
    await table.schemas.reach(schemaNumberOf(state))
    const keyed = table.schemas.current.primaryKey.length > 0
    // Appended rows in the order in which they were: each file holds a range of revisions.
    const files = keyed
      ? state.files.values()
      : [...state.files.values()].sort((a, b) => firstRevisionOf(a) - firstRevisionOf(b))
    const revision = archivedRevision(state, table)
    return { version: state.version, revision, erased: erasedRevision(state, table), files }
  })
}

/** What of a version is read. `upTo`: rows of batches that end behind it are left out. */
type Content = {
  readonly version: number
  readonly revision: number
  readonly erased: number
  readonly files: Iterable<AddFile>
  readonly upTo?: number
}

/**
 * The last snapshot up to `revision`, itself included; undefined when there is no lake. The newest schema of the lake is known to the
 * Table then.
 * @throws REVISION_EXPIRED when the lake no longer remembers it; LAKE_VERSION_EXPIRED when it is being forgotten at this moment
 */
export async function openSnapshotAt(
  table: TableParts,
  revision: number,
  scratch: string,
): Promise<LakeSnapshot | undefined> {
  const newest = await readState(table.lake)
  if (newest === undefined) return undefined
  await table.schemas.reach(schemaNumberOf(newest))
  const content = table.keyed
    ? await keyedContent(table, revision, newest)
    : await appendedContent(table, revision, newest)
  const lease = await Lease.take(table.lake, content.version, { holder: 'snapshot' })
  return open(table, lease, scratch, async () => content)
}

async function keyedContent(table: TableParts, revision: number, newest: LakeState): Promise<Content> {
  const { lake } = table
  const version = (await firstVersionBeyond(lake, revisionMark(table), revision, newest.version)) - 1
  const state = version === newest.version ? newest : await stateAt(table.lake, version)
  const reached = state && reachedRevision(state, table)
  if (state === undefined || reached === undefined || reached > revision)
    throw await expired(table, `revision ${revision}`, newest)
  return {
    version: state.version,
    revision: reached,
    erased: erasedRevision(state, table),
    files: state.files.values(),
  }
}

/**
 * Rows that are only ever appended are their own history: what the newest version holds of them is enough, until some are taken out
 * for being too old. Then it is the first version that goes beyond the revision or, if that is one that takes out, the one before.
 */
async function appendedContent(table: TableParts, revision: number, newest: LakeState): Promise<Content> {
  const state = expiredRevision(newest, table) === 0 ? newest : await beforeExpiry(table, revision, newest)
  return {
    version: state.version,
    // Nothing was appended between what a version holds and the next that takes rows out.
    revision: state === newest ? Math.min(revision, archivedRevision(newest, table)) : revision,
    erased: 0,
    files: state.files.values().filter(file => firstRevisionOf(file) <= revision),
    upTo: revision,
  }
}

async function beforeExpiry(table: TableParts, revision: number, newest: LakeState): Promise<LakeState> {
  const { lake } = table
  if (reachedRevision(newest, table) <= revision) return newest
  // Beyond the newest, when no commit that is kept says how far it leads.
  const first = await firstVersionBeyond(lake, revisionMark(table), revision, newest.version)
  if (first > newest.version) throw await expired(table, `revision ${revision}`, newest)
  const takesOut = expiryTime((await readCommit(lake, first)) ?? [], table) !== undefined
  const state = await stateAt(table.lake, takesOut ? first - 1 : first)
  // Where what came before is cleaned up, another version may have been the first, and had rows that are gone from this one.
  const sure = async () => (await markAt(lake, revisionMark(table), first - 1)) !== undefined
  if (state !== undefined && (expiredRevision(state, table) === 0 || (await sure()))) return state
  throw await expired(table, `revision ${revision}`, newest)
}

async function open(
  table: Pick<TableParts, 'lake'>,
  lease: Lease,
  scratch: string,
  contentOf: () => Promise<Content>,
): Promise<LakeSnapshot> {
  const folder = join(scratch, `snapshot-${randomUUID()}`)
  try {
    const content = await contentOf()
    await mkdir(folder, { recursive: true })
    const parquet = await ParquetFiles.open(folder, limits)
    return {
      revision: content.revision,
      version: content.version,
      erased: content.erased,
      files: () => liveFiles(table, lease, content, folder),
      parquet,
      close: async () => {
        parquet.close()
        await lease.release()
        await rm(folder, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await lease.release()
    throw error
  }
}

/**
 * Opens a snapshot and reads it. One whose files are removed meanwhile, since its lease had ended, is given up for the next.
 * @throws what `open` and `read` throw; LAKE_CORRUPT, LAKE_VERSION_EXPIRED when there is no newer one
 */
export async function readingSnapshot(
  open: () => Promise<LakeSnapshot | undefined>,
  read: (snapshot: LakeSnapshot) => Promise<void>,
): Promise<void> {
  for (let version = -1; ; ) {
    const snapshot = await open()
    if (snapshot === undefined) return
    try {
      return await read(snapshot)
    } catch (error) {
      if (!isBlastyError(error, 'LAKE_CORRUPT', 'LAKE_VERSION_EXPIRED') || snapshot.version === version) throw error
      version = snapshot.version
    } finally {
      await snapshot.close()
    }
  }
}

async function* liveFiles(
  { lake }: Pick<TableParts, 'lake'>,
  lease: Lease,
  { files, upTo }: Content,
  folder: string,
): AsyncGenerator<SourceFile> {
  for (const file of files) {
    const source = await localFile(lake, file, folder).catch(async error => {
      throw await lease.explain(error)
    })
    yield upTo === undefined ? source : { ...source, upTo }
    await rm(source.file, { force: true })
  }
}

async function localFile(lake: DeltaLake, file: AddFile, folder: string): Promise<SourceFile> {
  const deleted = file.deletionVector === undefined ? [] : await readVector(lake, file.deletionVector)
  return { file: await downloadFile(lake, file, folder), deleted }
}
