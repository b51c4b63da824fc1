/** What the actions of commits come to (Delta protocol, Action Reconciliation). */

import { BlastyError } from '../../../base/errors.ts'
import {
  type Action,
  type AddFile,
  logicalFile,
  type Metadata,
  type Protocol,
  type RemoveFile,
  type Txn,
} from './actions.ts'
import { checkProtocol } from './protocol.ts'

export type LakeState = {
  readonly version: number
  /** When the version was committed, in milliseconds; greater for every version than for the one before, whatever clocks do. */
  readonly timestamp: number
  readonly protocol: Protocol
  readonly metadata: Metadata
  /** By path. `dataChange` is false in all of them, as a checkpoint has it: set it anew when one is committed again. */
  readonly files: ReadonlyMap<string, AddFile>
  /** By path and deletion vector (`logicalFile`): a file removed several times has several. Without stats and tags. */
  readonly tombstones: ReadonlyMap<string, RemoveFile>
  /** By appId. */
  readonly txns: ReadonlyMap<string, Txn>
}

/** A state under way. It begins at version -1. */
export type Draft = {
  version: number
  timestamp: number
  protocol: Protocol | undefined
  metadata: Metadata | undefined
  readonly files: Map<string, AddFile>
  readonly tombstones: Map<string, RemoveFile>
  readonly txns: Map<string, Txn>
}

export const emptyDraft = (): Draft => ({
  version: -1,
  timestamp: 0,
  protocol: undefined,
  metadata: undefined,
  files: new Map(),
  tombstones: new Map(),
  txns: new Map(),
})

export const draftOf = (state: LakeState): Draft => ({
  ...state,
  files: new Map(state.files),
  tombstones: new Map(state.tombstones),
  txns: new Map(state.txns),
})

/** The state of a draft. Throws LAKE_CORRUPT when there is no protocol or metadata, LAKE_UNSUPPORTED when it is not ours. */
export function finish(draft: Draft, lake: string): LakeState {
  const { protocol, metadata, ...rest } = draft
  if (protocol === undefined || metadata === undefined) {
    const problem = `version ${rest.version} has no ${protocol === undefined ? 'protocol' : 'metadata'}`
    throw new BlastyError('LAKE_CORRUPT', { lake, problem })
  }
  checkProtocol(protocol, lake)
  return { ...rest, protocol, metadata }
}

/** Applies the actions of a commit, or some of a checkpoint's. They have no order among them, so what is removed goes first. */
export function apply(draft: Draft, actions: readonly Action[]): void {
  for (const action of actions) if ('remove' in action) remove(draft, action.remove)
  for (const action of actions) {
    if ('add' in action) {
      draft.files.set(action.add.path, { ...action.add, dataChange: false })
      draft.tombstones.delete(logicalFile(action.add))
    } else if ('txn' in action) draft.txns.set(action.txn.appId, action.txn)
    else if ('protocol' in action) draft.protocol = action.protocol
    else if ('metaData' in action) draft.metadata = action.metaData
  }
}

function remove(draft: Draft, { stats: _, tags: __, ...removed }: RemoveFile): void {
  const id = logicalFile(removed)
  const present = draft.files.get(removed.path)
  if (present !== undefined && logicalFile(present) === id) draft.files.delete(removed.path)
  draft.tombstones.set(id, { ...removed, dataChange: false })
}

/** The time that the writer of a commit put into it. */
export function timeOf(actions: readonly Action[]): number | undefined {
  for (const action of actions) if ('commitInfo' in action) return action.commitInfo.timestamp
  return undefined
}

/** For a checkpoint whose commit another engine has cleaned up: the latest time that anything in it tells. */
export function latestTime({ files, tombstones, txns, metadata }: Draft): number {
  let latest = metadata?.createdTime ?? 0
  for (const { modificationTime } of files.values()) latest = Math.max(latest, modificationTime)
  for (const { deletionTimestamp = 0 } of tombstones.values()) latest = Math.max(latest, deletionTimestamp)
  for (const { lastUpdated = 0 } of txns.values()) latest = Math.max(latest, lastUpdated)
  return latest
}
