/** How what Blasty knows of its files stands in the actions of the lake's log. */

import { revisionColumn } from '../replica/sql-types.ts'
import type { Table } from '../table.ts'
import type { AddFile, RemoveFile } from './delta/actions.ts'
import type { LakeState } from './delta/state.ts'
import type { WrittenFile } from './parquet.ts'

/**
 * Under which name the lake says how far the log is in it. It names log and epoch and not the resource: whoever takes the
 * data over goes on where the earlier Table stopped.
 */
export function appIdOf({ log }: Pick<Table, 'log'>): string {
  return `blasty:${log.stream}:${log.epoch}`
}

/** The last revision of the log that the lake holds; 0 at first. */
export function archivedRevision(state: Pick<LakeState, 'txns'>, table: Pick<Table, 'log'>): number {
  return state.txns.get(appIdOf(table))?.version ?? 0
}

export function addFile(
  path: string,
  { bytes, stats }: WrittenFile,
  tags: Readonly<Record<string, string>>,
  modificationTime: number,
  dataChange: boolean,
): AddFile {
  return { path, partitionValues: {}, size: bytes, modificationTime, dataChange, stats: stats.text(true), tags }
}

export function removeFile(
  { path, partitionValues, size, deletionVector }: AddFile,
  deletionTimestamp: number,
  dataChange: boolean,
): RemoveFile {
  const file = { path, deletionTimestamp, dataChange, extendedFileMetadata: true, partitionValues, size }
  return deletionVector === undefined ? file : { ...file, deletionVector }
}

/** Rows of a file, the deleted ones included. Ours and other engines' files with vectors always say it. */
export function rowsOf({ stats }: AddFile): number {
  const rows: unknown = stats === undefined ? undefined : (JSON.parse(stats) as { numRecords?: unknown }).numRecords
  return typeof rows === 'number' ? rows : Number.POSITIVE_INFINITY
}

/** The least revision of a file's rows, below 2^53 like all of them; 0 when it is not known. */
export function firstRevisionOf({ stats }: AddFile): number {
  const bounds = stats === undefined ? {} : (JSON.parse(stats) as { minValues?: Readonly<Record<string, unknown>> })
  return Number(bounds.minValues?.[revisionColumn] ?? 0)
}

/** Rows of a file that are not deleted. */
export function liveRowsOf(file: AddFile): number {
  return rowsOf(file) - (file.deletionVector?.cardinality ?? 0)
}

const tight = '"tightBounds":true'

/** The statistics of a file of which rows are deleted from now on: its bounds still hold and may be too wide. */
export function wideStats(file: AddFile): string {
  const { stats = '' } = file
  // As text, since a bound of 64 bits would not survive being parsed. Where another engine wrote it otherwise, only the count is kept.
  if (stats.includes('"tightBounds":false')) return stats
  return stats.endsWith(`${tight}}`)
    ? `${stats.slice(0, -tight.length - 1)}"tightBounds":false}`
    : JSON.stringify({ numRecords: rowsOf(file), tightBounds: false })
}
