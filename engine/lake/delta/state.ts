/** The state of a lake at a version: the newest checkpoint below it and the commits since, reconciled. */

import { BlastyError, isBlastyError } from '../../../base/errors.ts'
import { lastCheckpoint, readCheckpoint } from './checkpoint.ts'
import { readCommit, readCommits } from './history.ts'
import { type DeltaLake, type LogListing, lakeName, listLog } from './lake.ts'
import { apply, type Draft, draftOf, emptyDraft, finish, type LakeState, latestTime, timeOf } from './reconcile.ts'

export type { LakeState } from './reconcile.ts'

/** How often a reading is begun in case that what it was about to read is cleaned up meanwhile. */
const attempts = 3

/**
 * The newest state, or that of a version; undefined when there is no table.
 * @throws LAKE_CORRUPT when a version in between is missing or unreadable, LAKE_VERSION_EXPIRED for one that is no longer
 * kept, INVALID_ARGUMENT for one that is not there yet, LAKE_UNSUPPORTED
 */
export async function readState(lake: DeltaLake, version?: number): Promise<LakeState | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryReading(lake, version, await lastCheckpoint(lake))
    } catch (error) {
      if (!isBlastyError(error, 'LAKE_CORRUPT') || attempt === attempts) throw error
    }
  }
}

/** Applies the commits that came since. The same object when none did. Throws as `readState` does. */
export async function advance(lake: DeltaLake, state: LakeState): Promise<LakeState> {
  const newest = newestOf(await listLog(lake, state.version + 1))
  if (newest <= state.version) return state
  const draft = draftOf(state)
  try {
    await replay(lake, draft, newest)
    return finish(draft, lakeName(lake))
  } catch (error) {
    // So far behind that the next commits are cleaned up, or else the whole reading will tell what is wrong.
    if (!isBlastyError(error, 'LAKE_CORRUPT')) throw error
    const read = await readState(lake)
    if (read === undefined || read.version < newest) throw error
    return read
  }
}

const newestOf = ({ commits, checkpoints }: LogListing): number =>
  Math.max(commits.at(-1) ?? -1, checkpoints.at(-1)?.version ?? -1)

async function tryReading(
  lake: DeltaLake,
  wanted: number | undefined,
  hint: number | undefined,
): Promise<LakeState | undefined> {
  const from = hint !== undefined && hint <= (wanted ?? hint) ? hint : 0
  const listing = await listLog(lake, from)
  const newest = newestOf(listing)
  const target = wanted ?? newest
  if (newest !== -1 && target <= newest) {
    const draft = await startOf(lake, listing, target, from > 0)
    if (draft !== undefined) {
      await replay(lake, draft, target)
      return finish(draft, lakeName(lake))
    }
  }
  // A `_last_checkpoint` that names what is not there or cannot be read is a hint that was wrong, no more.
  if (from > 0) return tryReading(lake, wanted, undefined)
  if (newest === -1) return undefined
  throw new BlastyError('INVALID_ARGUMENT', { field: 'version', problem: `${target} is beyond the newest, ${newest}` })
}

/** The newest readable checkpoint up to `target`; or nothing yet, when every commit is there. */
async function startOf(
  lake: DeltaLake,
  listing: LogListing,
  target: number,
  partial: boolean,
): Promise<Draft | undefined> {
  let unreadable: unknown
  for (const checkpoint of listing.checkpoints.toReversed()) {
    if (checkpoint.version > target) continue
    const draft = emptyDraft()
    try {
      await readCheckpoint(lake, checkpoint, actions => apply(draft, actions))
      draft.version = checkpoint.version
      draft.timestamp = (await commitTime(lake, checkpoint.version)) ?? latestTime(draft)
      return draft
    } catch (error) {
      if (!isBlastyError(error, 'LAKE_CORRUPT')) throw error
      // An older checkpoint and the commits since, if they are kept, come to the same state.
      unreadable = error
    }
  }
  if (partial) return undefined
  const [first] = listing.commits
  if (first === 0) return emptyDraft()
  if (unreadable !== undefined) throw unreadable
  const oldest = listing.checkpoints[0]?.version
  if (oldest === undefined) throw corrupt(lake, `it begins at version ${first} and has no checkpoint`)
  throw new BlastyError('LAKE_VERSION_EXPIRED', { lake: lakeName(lake), version: target, oldest })
}

/** Applies the commits after the draft's version up to `target`. */
async function replay(lake: DeltaLake, draft: Draft, target: number): Promise<void> {
  for await (const { version, actions } of readCommits(lake, draft.version + 1, target)) {
    if (actions === undefined) throw corrupt(lake, `the commit of version ${version} is missing`)
    apply(draft, actions)
    draft.version = version
    draft.timestamp = Math.max(timeOf(actions) ?? 0, draft.timestamp + 1)
  }
}

/** A checkpoint does not hold the time of its commit, which is kept beside it. */
async function commitTime(lake: DeltaLake, version: number): Promise<number | undefined> {
  const actions = await readCommit(lake, version)
  return actions === undefined ? undefined : timeOf(actions)
}

const corrupt = (lake: DeltaLake, problem: string) => new BlastyError('LAKE_CORRUPT', { lake: lakeName(lake), problem })
