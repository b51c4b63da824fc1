/** What a reader and a writer of our tables must know, and the refusal of tables that want more (Delta protocol, Table Features). */

import { BlastyError } from '../../../base/errors.ts'
import type { TableSchema } from '../../schema/schema.ts'
import type { Action, Protocol } from './actions.ts'
import { deltaSchema } from './schema.ts'

const readerFeatures = ['deletionVectors']
const writerFeatures = ['deletionVectors', 'changeDataFeed']

/** The protocol of every lake that Blasty makes. */
export const lakeProtocol: Protocol = { minReaderVersion: 3, minWriterVersion: 7, readerFeatures, writerFeatures }

export type LakeOptions = {
  /** Keyed Tables have a change data feed; what is appended is its own history. */
  readonly keyed: boolean
  /** How long other engines keep the log and removed files when they clean up; unset, a week and a month. */
  readonly historySeconds?: number
}

/** The `configuration` of the metadata. Other engines obey it when they write or clean up. */
export function lakeConfiguration({ keyed, historySeconds }: LakeOptions): Record<string, string> {
  const history = `interval ${historySeconds} seconds`
  return {
    'delta.enableDeletionVectors': 'true',
    ...(keyed && { 'delta.enableChangeDataFeed': 'true' }),
    ...(historySeconds !== undefined && {
      'delta.logRetentionDuration': history,
      'delta.deletedFileRetentionDuration': history,
    }),
  }
}

/** The actions that make a table, to be committed as version 0. `id` is a UUID, `createdTime` milliseconds. */
export function creationActions(
  schema: TableSchema,
  options: {
    readonly id: string
    readonly createdTime: number
    readonly name?: string
    readonly historySeconds?: number
  },
): Action[] {
  const { id, createdTime, name } = options
  return [
    { protocol: lakeProtocol },
    {
      metaData: {
        id,
        ...(name !== undefined && { name }),
        format: { provider: 'parquet', options: {} },
        schemaString: deltaSchema(schema),
        partitionColumns: [],
        createdTime,
        configuration: lakeConfiguration({ ...options, keyed: schema.primaryKey.length > 0 }),
      },
    },
  ]
}

/** Throws LAKE_UNSUPPORTED when a table wants more of its readers and writers than we do for it. */
export function checkProtocol(protocol: Protocol, lake: string): void {
  const problem = unknownTo(protocol)
  if (problem !== undefined) throw new BlastyError('LAKE_UNSUPPORTED', { lake, problem })
}

function unknownTo(protocol: Protocol): string | undefined {
  const { minReaderVersion: reader, minWriterVersion: writer } = protocol
  // Reader version 2 is column mapping; below writer version 7 features are implied by the number, most of them not ours.
  if ((reader !== 1 && reader !== 3) || writer !== 7)
    return `protocol version ${reader} for readers, ${writer} for writers`
  const unknown = [
    ...(protocol.readerFeatures ?? []).filter(feature => !readerFeatures.includes(feature)),
    ...(protocol.writerFeatures ?? []).filter(feature => !writerFeatures.includes(feature)),
  ]
  return unknown.length > 0 ? `feature ${[...new Set(unknown)].join(', ')}` : undefined
}
