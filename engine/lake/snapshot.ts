/** The rows of a Table at the newest revision that its lake holds, for whoever cannot have them from the log. */

import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isBlastyError } from '../../base/errors.ts'
import type { Table } from '../table.ts'
import { readVector } from './delta/deletion-vector.ts'
import { type LakeState, readState } from './delta/state.ts'
import { archivedRevision, schemaNumberOf } from './files.ts'
import { downloadFile } from './objects.ts'
import { ParquetFiles, type SourceFile } from './parquet.ts'

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
  const folder = join(scratch, `snapshot-${randomUUID()}`)
  await mkdir(folder, { recursive: true })
  const parquet = await ParquetFiles.open(folder, limits)
  return {
    revision: archivedRevision(state, table),
    version: state.version,
    files: () => liveFiles(table, state, folder),
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

async function* liveFiles({ lake }: Pick<Table, 'lake'>, state: LakeState, folder: string): AsyncGenerator<SourceFile> {
  for (const file of state.files.values()) {
    const deleted = file.deletionVector === undefined ? [] : await readVector(lake, file.deletionVector)
    const local = await downloadFile(lake, file, folder)
    yield { file: local, deleted }
    await rm(local, { force: true })
  }
}
