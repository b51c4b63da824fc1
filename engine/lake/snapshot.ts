/** The rows of a Table as its lake holds them, at the newest revision or an older one, for whoever cannot have them from the log. */

import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isBlastyError } from '../../base/errors.ts'
import type { Table } from '../table.ts'
import { expired } from './as-of.ts'
import type { AddFile } from './delta/actions.ts'
import { readVector } from './delta/deletion-vector.ts'
import { type LakeState, readState } from './delta/state.ts'
import { archivedRevision, firstRevisionOf, reachedRevision, schemaNumberOf } from './files.ts'
import { downloadFile } from './objects.ts'
import { ParquetFiles, type SourceFile } from './parquet.ts'
import { firstVersionBeyond, revisionMark } from './versions.ts'

const limits = { memory: '512MB', threads: 2 }

export type LakeSnapshot = {
  readonly revision: number
  /** Of the lake. */
  readonly version: number
  /** Each file with its live rows, which lies in the scratch folder until the next is asked for. */
  readonly files: () => AsyncGenerator<SourceFile>
  readonly parquet: ParquetFiles
  readonly close: () => Promise<void>
}

/**
 * Opens the newest snapshot, or that of a version; undefined when there is no lake. The schema that it is written under is known to the
 * Table then: under an older one columns would be missing. `scratch` is a folder for files on their way.
 * Throws LAKE_VERSION_EXPIRED and INVALID_ARGUMENT for a version that is not there.
 */
export async function openSnapshot(
  table: Pick<Table, 'lake' | 'log' | 'schemas'>,
  scratch: string,
  version?: number,
): Promise<LakeSnapshot | undefined> {
  const state = await readState(table.lake, version)
  if (state === undefined) return undefined
  await table.schemas.reach(schemaNumberOf(state))
  const content = { version: state.version, revision: archivedRevision(state, table), files: state.files.values() }
  return open(table, content, scratch)
}

/** What of a version is read. `upTo`: rows of batches that end behind it are left out. */
type Content = {
  readonly version: number
  readonly revision: number
  readonly files: Iterable<AddFile>
  readonly upTo?: number
}

/**
 * The last snapshot up to `revision`, itself included; undefined when there is no lake. The newest schema of the lake is known to the
 * Table then.
 * @throws REVISION_EXPIRED when the lake no longer remembers it
 */
export async function openSnapshotAt(
  table: Table,
  revision: number,
  scratch: string,
): Promise<LakeSnapshot | undefined> {
  const newest = await readState(table.lake)
  if (newest === undefined) return undefined
  await table.schemas.reach(schemaNumberOf(newest))
  const content = table.keyed ? await keyedContent(table, revision, newest) : appendedContent(table, revision, newest)
  return open(table, content, scratch)
}

async function keyedContent(table: Table, revision: number, newest: LakeState): Promise<Content> {
  const { lake } = table
  const version = (await firstVersionBeyond(lake, revisionMark(table), revision, newest.version)) - 1
  const state = version === newest.version ? newest : await stateAt(table, version)
  const reached = state && reachedRevision(state, table)
  if (state === undefined || reached === undefined || reached > revision)
    throw await expired(table, `revision ${revision}`, newest)
  return { version: state.version, revision: reached, files: state.files.values() }
}

/** The state at a version; undefined when it is not kept, or when even the first version is too new. */
async function stateAt({ lake }: Table, version: number): Promise<LakeState | undefined> {
  if (version < 0) return undefined
  try {
    return await readState(lake, version)
  } catch (error) {
    if (!isBlastyError(error, 'LAKE_VERSION_EXPIRED')) throw error
    return undefined
  }
}

/** Rows that are only ever appended are their own history: what the newest version holds of them is enough. */
function appendedContent(table: Table, revision: number, newest: LakeState): Content {
  return {
    version: newest.version,
    revision: Math.min(revision, archivedRevision(newest, table)),
    files: newest.files.values().filter(file => firstRevisionOf(file) <= revision),
    upTo: revision,
  }
}

async function open(table: Pick<Table, 'lake'>, content: Content, scratch: string): Promise<LakeSnapshot> {
  const folder = join(scratch, `snapshot-${randomUUID()}`)
  await mkdir(folder, { recursive: true })
  const parquet = await ParquetFiles.open(folder, limits)
  return {
    revision: content.revision,
    version: content.version,
    files: () => liveFiles(table, content, folder),
    parquet,
    close: async () => {
      parquet.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/**
 * Opens a snapshot and reads it. One that takes so long that its files are removed meanwhile is given up for the next.
 * @throws what `open` and `read` throw; LAKE_CORRUPT when there is no newer one
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
      if (!isBlastyError(error, 'LAKE_CORRUPT') || snapshot.version === version) throw error
      version = snapshot.version
    } finally {
      await snapshot.close()
    }
  }
}

async function* liveFiles(
  { lake }: Pick<Table, 'lake'>,
  { files, upTo }: Content,
  folder: string,
): AsyncGenerator<SourceFile> {
  for (const file of files) {
    const deleted = file.deletionVector === undefined ? [] : await readVector(lake, file.deletionVector)
    const local = await downloadFile(lake, file, folder)
    yield upTo === undefined ? { file: local, deleted } : { file: local, deleted, upTo }
    await rm(local, { force: true })
  }
}
