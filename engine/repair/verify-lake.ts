/** Whether the lake is whole: every file of its newest version there and as it was written, its rows readable, its keys unique. */

import { mkdir, rm } from 'node:fs/promises'
import { isBlastyError } from '../../base/errors.ts'
import type { AddFile } from '../lake/delta/actions.ts'
import { readVector } from '../lake/delta/deletion-vector.ts'
import { readCommit } from '../lake/delta/history.ts'
import { leasedState } from '../lake/delta/leases.ts'
import type { LakeState } from '../lake/delta/state.ts'
import { appIdOf, archivedRevision, liveRowsOf } from '../lake/files.ts'
import { downloadFile } from '../lake/objects.ts'
import { ParquetFiles } from '../lake/parquet.ts'
import type { TableParts } from '../until.ts'
import type { PartReport } from './findings.ts'
import { digester, type RowDigests } from './row-digests.ts'

const limits = { memory: '512MB', threads: 1 }

export type LakeLook = {
  /** The revision that the lake holds, and its version; undefined when there is no lake that can be read. */
  readonly archived: number
  readonly version: number
}

/**
 * Notes the rows of the lake, and what is wrong with it.
 * @throws errors of the object store that tell nothing of the lake, the signal's reason
 */
export async function readLake(
  table: TableParts,
  rows: RowDigests,
  { report, folder, signal }: { readonly report: PartReport; readonly folder: string; readonly signal: AbortSignal },
): Promise<LakeLook | undefined> {
  const found = await told(report, () => leasedState(table.lake, 'verify'))
  if (found === undefined) return undefined
  const { state, lease } = found
  if (!state.txns.has(appIdOf(table)))
    report.differs(`no txn says how far epoch ${table.log.epoch} of the log is in it`)
  try {
    await mkdir(folder, { recursive: true })
    const parquet = await ParquetFiles.open(folder, limits)
    try {
      for (const file of state.files.values()) {
        signal.throwIfAborted()
        report.compared()
        await told(report, () => readFile(table, file, { parquet, rows, report, folder }))
      }
    } finally {
      parquet.close()
      await rm(folder, { recursive: true, force: true })
    }
    await checkChanges(table, state, report, folder)
  } finally {
    await lease.release()
  }
  return { archived: archivedRevision(state, table), version: state.version }
}

type Reading = {
  readonly parquet: ParquetFiles
  readonly rows: RowDigests
  readonly report: PartReport
  readonly folder: string
}

/** Reads a file to its end: what is noted of it is of a file whose checksum is right. */
async function readFile(table: TableParts, file: AddFile, { parquet, rows, report, folder }: Reading): Promise<void> {
  const { schemas, lake, keyed } = table
  const deleted = file.deletionVector === undefined ? [] : await readVector(lake, file.deletionVector)
  const local = await downloadFile(lake, file, folder)
  const digest = digester(schemas.current)
  let count = 0
  try {
    for await (const part of parquet.read(schemas.current, { file: local, deleted })) {
      count += part.length
      const found = part.map(({ revision, body }) => ({ revision, row: schemas.codec.decode(Buffer.from(body)) }))
      rows.together(() => {
        for (const { revision, row } of found) {
          if (!keyed) rows.append(revision, digest(revision, row))
          else noteRow(schemas.encodeKey(row), digest(revision, row), file)
        }
      })
    }
  } catch (error) {
    report.differs(`${file.path} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    await rm(local, { force: true })
  }
  const wanted = liveRowsOf(file)
  if (Number.isFinite(wanted) && wanted !== count)
    report.differs(`${file.path} has ${count} rows that are not deleted, its statistics say ${wanted}`)

  function noteRow(key: Buffer, row: ReturnType<typeof digest>, { path }: AddFile): void {
    const other = rows.get(key)
    if (other !== undefined)
      report.differs(
        `${JSON.stringify(schemas.decodeKey(key))} is there twice: at revision ${other.revision}, and in ${path} at ${row.revision}`,
      )
    rows.put(key, row)
  }
}

/** The change file of the newest version; those before it are the lake's history and no part of its rows. */
async function checkChanges(
  table: TableParts,
  { version }: LakeState,
  report: PartReport,
  folder: string,
): Promise<void> {
  const actions = (await told(report, () => readCommit(table.lake, version))) ?? []
  await mkdir(folder, { recursive: true })
  for (const action of actions) {
    if (!('cdc' in action)) continue
    report.compared()
    const { path, size, tags } = action.cdc
    await told(report, () =>
      downloadFile(table.lake, tags === undefined ? { path, size } : { path, size, tags }, folder),
    )
  }
  await rm(folder, { recursive: true, force: true })
}

/** What is wrong with the lake is noted; what is wrong with the way to it is thrown. */
async function told<T>(report: PartReport, look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look()
  } catch (error) {
    if (!isBlastyError(error, 'LAKE_CORRUPT', 'LAKE_UNSUPPORTED', 'LAKE_VERSION_EXPIRED')) throw error
    report.differs(error.message)
    return undefined
  }
}
