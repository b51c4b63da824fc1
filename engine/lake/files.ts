/** How what Blasty knows of its files stands in the actions of the lake's log. */

import type { LogIdentity } from '../log/log.ts'
import { commitTimeColumn, revisionColumn } from '../replica/sql-types.ts'
import type { TableSchema } from '../schema/schema.ts'
import type { AddFile, Metadata, RemoveFile, Stats } from './delta/actions.ts'
import { deltaSchema } from './delta/schema.ts'
import type { LakeState } from './delta/state.ts'
import type { WrittenFile } from './parquet.ts'

/**
 * Under which name the lake says how far the log is in it. It names log and epoch and not the resource: whoever takes the
 * data over goes on where the earlier Table stopped.
 */
export function appIdOf({ log }: LakeOfLog): string {
  return `${appPrefix(log.stream)}${log.epoch}`
}

/** Under which name the lake says up to where its erasures are done: nothing that it names holds what they were of. */
export const eraseAppIdOf = ({ log }: LakeOfLog): string => `${appPrefix(log.stream)}erase`

/** The last revision whose erasures the lake has done; 0 when there were none. */
export const erasedRevision = (state: Pick<LakeState, 'txns'>, table: LakeOfLog): number =>
  state.txns.get(eraseAppIdOf(table))?.version ?? 0

/** What names a log within its lake. */
export type LakeOfLog = { readonly log: Pick<LogIdentity, 'stream' | 'epoch'> }

const appPrefix = (stream: string) => `blasty:${stream}:`

/** The epoch of a log that an appId names; undefined for one that is of no epoch of this stream. */
export function epochOfApp(stream: string, appId: string): number | undefined {
  const prefix = appPrefix(stream)
  const epoch = appId.startsWith(prefix) ? Number(appId.slice(prefix.length)) : Number.NaN
  return Number.isSafeInteger(epoch) && epoch > 0 ? epoch : undefined
}

/** The last revision of the log that the lake holds; 0 at first. */
export function archivedRevision(state: Pick<LakeState, 'txns'>, table: LakeOfLog): number {
  return state.txns.get(appIdOf(table))?.version ?? 0
}

/** The same, where what the version holds may be of an epoch before: the revisions of one are above all of those before it. */
export function reachedRevision(state: Pick<LakeState, 'txns'>, { log: { stream, epoch } }: LakeOfLog): number {
  const until = epochsIn(state, stream).filter(one => one.epoch <= epoch)
  return until.at(-1)?.revision ?? 0
}

/** Key of the metadata's configuration that holds the number of the schema that the columns are of. */
const schemaKey = 'blasty.schema'

/** The number of the schema that the lake is written under; 0 when it does not say. */
export function schemaNumberOf({ metadata }: Pick<LakeState, 'metadata'>): number {
  const number = Number(metadata.configuration[schemaKey] ?? 0)
  return Number.isSafeInteger(number) ? number : 0
}

/** The metadata under a schema. */
export function metadataUnder(schema: TableSchema, metadata: Metadata): Metadata {
  const configuration = { ...metadata.configuration, [schemaKey]: String(schema.number) }
  return { ...metadata, schemaString: deltaSchema(schema), configuration }
}

/** How far the lake holds each epoch of a log, in ascending order. */
export function epochsIn(
  state: Pick<LakeState, 'txns'>,
  stream: string,
): readonly { readonly epoch: number; readonly revision: number }[] {
  const found: { epoch: number; revision: number }[] = []
  for (const [appId, { version: revision }] of state.txns) {
    const epoch = epochOfApp(stream, appId)
    if (epoch !== undefined) found.push({ epoch, revision })
  }
  return found.sort((a, b) => a.epoch - b.epoch)
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

/** Rows of a file, the deleted ones included; infinite when another engine did not say it. */
export function rowsOf({ stats }: AddFile): number {
  const rows: unknown = stats === undefined ? undefined : (JSON.parse(stats) as { numRecords?: unknown }).numRecords
  return typeof rows === 'number' ? rows : Number.POSITIVE_INFINITY
}

/** The least revision of a file's rows, below 2^53 like all of them; 0 when it is not known. */
export function firstRevisionOf(file: AddFile): number {
  return Number(boundsOf(file, 'minValues')?.[revisionColumn] ?? 0)
}

/** The greatest revision of a file's rows, the deleted ones included; infinite when it is not known. */
export function lastRevisionOf(file: AddFile): number {
  return Number(boundsOf(file, 'maxValues')?.[revisionColumn] ?? Number.POSITIVE_INFINITY)
}

/** No row of a file was committed before this, in microseconds since 1970; 0 when it is not known. */
export function firstCommitOf(file: AddFile): number {
  return Date.parse(String(boundsOf(file, 'minValues')?.[commitTimeColumn])) * 1000 || 0
}

/** No row of a file was committed after this, in microseconds since 1970; infinite when it is not known. */
export function lastCommitOf(file: AddFile): number {
  return Date.parse(String(boundsOf(file, 'maxValues')?.[commitTimeColumn])) * 1000 || Number.POSITIVE_INFINITY
}

function boundsOf({ stats }: AddFile, which: 'minValues' | 'maxValues'): Readonly<Record<string, unknown>> | undefined {
  return stats === undefined ? undefined : (JSON.parse(stats) as Stats)[which]
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
    : JSON.stringify({ ...(Number.isFinite(rowsOf(file)) && { numRecords: rowsOf(file) }), tightBounds: false })
}
