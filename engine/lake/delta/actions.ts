/** The actions of a Delta table that Blasty reads and writes, and their form as lines of JSON (Delta protocol, Actions). */

import { BlastyError } from '../../../base/errors.ts'
import { Fields } from './fields.ts'
import { readAction } from './read-action.ts'

/** Names a deletion vector in a file of ours. `pathOrInlineDv` is the file's UUID in Z85, `offset` and `sizeInBytes` are bytes. */
export type DeletionVector = {
  readonly storageType: 'u'
  readonly pathOrInlineDv: string
  readonly offset: number
  readonly sizeInBytes: number
  /** Rows that are no longer in the file. */
  readonly cardinality: number
}

/** What `AddFile.stats` says of a file, as JSON text there. Bounds may be wide where `tightBounds` is false. */
export type Stats = {
  /** All rows of the file, also those that a deletion vector names. */
  readonly numRecords: number
  readonly minValues?: Readonly<Record<string, unknown>>
  readonly maxValues?: Readonly<Record<string, unknown>>
  readonly nullCount?: Readonly<Record<string, unknown>>
  readonly tightBounds?: boolean
}

/** `path` is below the table's root; `size` is bytes, `modificationTime` milliseconds. */
export type AddFile = {
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string>>
  readonly size: number
  readonly modificationTime: number
  /** False for what only moves rows about, such as compaction. */
  readonly dataChange: boolean
  readonly stats?: string
  readonly deletionVector?: DeletionVector
  readonly tags?: Readonly<Record<string, string>>
}

/** `deletionTimestamp` is milliseconds; the deletion vector is the one that the file had. */
export type RemoveFile = {
  readonly path: string
  readonly deletionTimestamp?: number
  readonly dataChange: boolean
  readonly extendedFileMetadata?: boolean
  readonly partitionValues?: Readonly<Record<string, string>>
  readonly size?: number
  readonly stats?: string
  readonly deletionVector?: DeletionVector
  readonly tags?: Readonly<Record<string, string>>
}

/** A file of the change data feed. Always with `dataChange` false. */
export type Cdc = {
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string>>
  readonly size: number
  readonly dataChange: false
  readonly tags?: Readonly<Record<string, string>>
}

/** How far an application has come; `lastUpdated` is milliseconds. */
export type Txn = { readonly appId: string; readonly version: number; readonly lastUpdated?: number }

export type Protocol = {
  readonly minReaderVersion: number
  readonly minWriterVersion: number
  readonly readerFeatures?: readonly string[]
  readonly writerFeatures?: readonly string[]
}

export type Metadata = {
  readonly id: string
  readonly name?: string
  readonly description?: string
  readonly format: { readonly provider: string; readonly options: Readonly<Record<string, string>> }
  readonly schemaString: string
  readonly partitionColumns: readonly string[]
  readonly createdTime?: number
  readonly configuration: Readonly<Record<string, string>>
}

/** Free text of the writer, of which these are understood. `txnId` tells one attempt to commit from another. */
export type CommitInfo = {
  readonly timestamp?: number
  readonly txnId?: string
  readonly operation?: string
  readonly engineInfo?: string
}

export type Action =
  | { readonly commitInfo: CommitInfo }
  | { readonly protocol: Protocol }
  | { readonly metaData: Metadata }
  | { readonly add: AddFile }
  | { readonly remove: RemoveFile }
  | { readonly cdc: Cdc }
  | { readonly txn: Txn }

/** One action a line. JSON has no line breaks inside, so a line is an action. */
export function serialiseActions(actions: readonly Action[]): Buffer {
  return Buffer.from(actions.map(action => `${JSON.stringify(action)}\n`).join(''))
}

/**
 * The actions of a commit, or of the rows of a checkpoint. Unknown ones are left out, as the protocol wants: what may not be
 * ignored is announced as a feature, which `checkProtocol` refuses.
 * @param lake names what is read, in errors
 * @throws LAKE_CORRUPT when a line is torn or an action lacks something; LAKE_UNSUPPORTED for a deletion vector kept elsewhere
 */
export function parseActions(ndjson: string, lake = ''): Action[] {
  const actions: Action[] = []
  for (const line of ndjson.split('\n')) {
    if (line.trim() === '') continue
    const action = readAction(new Fields(parseLine(line, lake), lake))
    if (action !== undefined) actions.push(action)
  }
  return actions
}

function parseLine(line: string, lake: string): unknown {
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw new BlastyError('LAKE_CORRUPT', { lake, problem: 'a line is not JSON' }, { cause })
  }
}

/** Tells a file with one deletion vector from the same file with another (Delta protocol, Action Reconciliation). */
export function logicalFile({ path, deletionVector }: Pick<AddFile, 'path' | 'deletionVector'>): string {
  if (deletionVector === undefined) return path
  const { storageType, pathOrInlineDv, offset } = deletionVector
  return `${path}\n${storageType}${pathOrInlineDv}@${offset}`
}
