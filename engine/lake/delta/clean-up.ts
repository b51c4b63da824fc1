/** Removes what no version that is kept needs: old parts of the log, then data that only they named (Delta protocol, Metadata Cleanup). */

import { BlastyError } from '../../../base/errors.ts'
import type { Action, AddFile } from './actions.ts'
import { pointToCheckpoint, readCheckpoint } from './checkpoint.ts'
import { vectorFile } from './deletion-vector.ts'
import { readCommit, readCommits } from './history.ts'
import {
  type Checkpoint,
  type DeltaLake,
  keyOfPath,
  lakeName,
  listLog,
  stagedPrefix,
  stagedVersion,
  storeTime,
} from './lake.ts'
import { lowestLease, raiseFloor } from './leases.ts'
import { type LakeState, timeOf } from './reconcile.ts'
import { readState } from './state.ts'

/** Keys in one request. */
const pageSize = 1000

export type CleanLogOptions = {
  /** Milliseconds since the epoch. Versions committed after it stay readable, and the one that was current then. */
  readonly olderThan: number
  /** How long a lease lives that is not renewed, in milliseconds by the store's clock. */
  readonly leaseMillis?: number
}

/**
 * Removes commits and checkpoints below the newest checkpoint that is older than asked and not above the lowest lease, which begins the
 * log from then on. Without such a checkpoint nothing is removed. The oldest go first, so that a crash leaves a log that is only less clean.
 * @returns the version that the log begins with now; undefined when nothing was to be removed
 * @throws LAKE_CORRUPT, having removed nothing, when that checkpoint cannot be read
 */
export async function cleanLog(
  lake: DeltaLake,
  state: LakeState,
  { olderThan, leaseMillis }: CleanLogOptions,
): Promise<number | undefined> {
  const { checkpoints } = await listLog(lake)
  const highest = Math.min(state.version, (await lowestLease(lake, leaseMillis)) ?? state.version)
  const cutoff = await cutoffOf(
    lake,
    checkpoints.filter(({ version }) => version <= highest),
    olderThan,
  )
  return cutoff === undefined ? undefined : removeBelow(lake, cutoff, leaseMillis)
}

/**
 * Makes a checkpoint the beginning of the log: removes all that is below it, unless somebody has a lease on some of that. Stopped
 * anywhere and done again it goes on.
 * @returns its version; undefined when nothing was to be removed
 * @throws LAKE_CORRUPT, having removed nothing, when the checkpoint cannot be read
 */
export async function removeBelow(
  lake: DeltaLake,
  cutoff: Checkpoint,
  leaseMillis?: number,
): Promise<number | undefined> {
  const { keys } = await listLog(lake)
  const old = keys.filter(({ version }) => version < cutoff.version).map(({ key }) => key)
  const staged: string[] = []
  for await (const { key } of lake.objects.list(lake.bucket, stagedPrefix(lake))) {
    if ((stagedVersion(lake, key) ?? cutoff.version) < cutoff.version) staged.push(key)
  }
  if (old.length + staged.length === 0) return undefined
  let size = 0
  await readCheckpoint(lake, cutoff, actions => {
    size += actions.length
  })
  // Who took a lease in between without having seen the floor is seen now, and keeps what he needs until the next clean-up.
  await raiseFloor(lake, cutoff.version)
  if (((await lowestLease(lake, leaseMillis)) ?? cutoff.version) < cutoff.version) return undefined
  // Readers that trust `_last_checkpoint` must not be sent to one that goes.
  await pointToCheckpoint(lake, { ...cutoff, size })
  await removeAll(lake, [...old, ...staged])
  await lake.claims?.forget(cutoff.version)
  return cutoff.version
}

/** The newest checkpoint committed at `olderThan` or before. Commit times rise with the version, so it is found by halving. */
async function cutoffOf(
  lake: DeltaLake,
  checkpoints: readonly Checkpoint[],
  olderThan: number,
): Promise<Checkpoint | undefined> {
  let below = 0
  let above = checkpoints.length
  while (below < above) {
    const middle = Math.floor((below + above) / 2)
    const actions = await readCommit(lake, checkpoints[middle]?.version ?? 0)
    // One whose time is not known counts as young.
    const old = actions !== undefined && (timeOf(actions) ?? Number.POSITIVE_INFINITY) <= olderThan
    if (old) below = middle + 1
    else above = middle
  }
  return checkpoints[below - 1]
}

/** Whether a path below the root is one that our writer gives; `vacuum` touches no other. */
export const isOurName = (path: string): boolean => ourNames.some(([, name]) => name.test(path))

export type VacuumOptions = {
  /** Milliseconds since the epoch. Objects put after it stay. */
  readonly olderThan: number
  /** Paths below the root that stay though no kept version names them. */
  readonly keep: (path: string) => boolean
  /**
   * Objects younger than this by the store's own clock stay whatever `olderThan` says, since a writer may be about to commit them:
   * longer than any upload and its commit take. Without it, an hour.
   */
  readonly leastAgeMillis?: number
}

const anHour = 60 * 60 * 1000

/** Names that our writer gives to data files, deletion vectors and change files: where they begin, and all of them. */
const ourNames: readonly (readonly [string, RegExp])[] = [
  ['part-', /^part-[^/]+\.parquet$/],
  ['deletion_vector_', /^deletion_vector_[^/]+\.bin$/],
  ['_change_data/cdc-', /^_change_data\/cdc-[^/]+\.parquet$/],
]

/**
 * Removes data files, deletion vectors and change files that no version in the log names any more; `cleanLog` decides which those are,
 * so that what somebody holds a lease on stays.
 * Only names that our writer gives are touched. Stopped anywhere and done again it goes on.
 * @throws LAKE_CORRUPT, having removed nothing, when the log cannot be read whole or ends before `state`
 */
export async function vacuum(
  lake: DeltaLake,
  state: LakeState,
  { olderThan, keep, leastAgeMillis = anHour }: VacuumOptions,
): Promise<{ readonly objects: number; readonly bytes: number }> {
  const bound = Math.min(olderThan, (await storeTime(lake)) - leastAgeMillis)
  // Objects first, the log afterwards: what is committed in between is then seen to be named.
  const old = new Map<string, number>()
  for (const [prefix, name] of ourNames) {
    for await (const { key, size, modified } of lake.objects.list(lake.bucket, `${lake.root}/${prefix}`)) {
      const path = key.slice(lake.root.length + 1)
      if (modified < bound && name.test(path) && !keep(path)) old.set(key, size)
    }
  }
  if (old.size > 0) await takeNamed(lake, state, key => old.delete(key))
  await removeAll(lake, [...old.keys()])
  return { objects: old.size, bytes: old.values().reduce((sum, size) => sum + size, 0) }
}

/** Tells the key of every object that a version in the log names, some more than once. */
async function takeNamed(lake: DeltaLake, state: LakeState, take: (key: string) => void): Promise<void> {
  const { commits, checkpoints } = await listLog(lake)
  const newest = commits.at(-1) ?? -1
  if (newest < state.version) {
    throw new BlastyError('LAKE_CORRUPT', {
      lake: lakeName(lake),
      problem: `it ends at version ${newest}, before ${state.version}`,
    })
  }
  const base = await readState(lake, checkpoints[0]?.version ?? newest)
  for (const file of base?.files.values() ?? []) takeFile(lake, file, take)
  // Also the commits that a broken off clean-up left below the first checkpoint, with gaps between them: it will remove them yet.
  for await (const { version, actions } of readCommits(lake, commits[0] ?? newest, newest)) {
    if (actions === undefined && version > (base?.version ?? -1)) {
      throw new BlastyError('LAKE_CORRUPT', {
        lake: lakeName(lake),
        problem: `the commit of version ${version} is missing`,
      })
    }
    for (const action of actions ?? []) takeAction(lake, action, take)
  }
}

function takeAction(lake: DeltaLake, action: Action, take: (key: string) => void): void {
  if ('add' in action) takeFile(lake, action.add, take)
  else if ('cdc' in action) take(keyOfPath(lake, action.cdc.path))
}

function takeFile(lake: DeltaLake, { path, deletionVector }: AddFile, take: (key: string) => void): void {
  take(keyOfPath(lake, path))
  const vector = deletionVector === undefined ? undefined : vectorFile(deletionVector)
  if (vector !== undefined) take(`${lake.root}/${vector}`)
}

/** Removes objects by their keys, page by page. */
export async function removeAll(lake: DeltaLake, keys: readonly string[]): Promise<void> {
  for (let from = 0; from < keys.length; from += pageSize) {
    await lake.objects.remove(lake.bucket, keys.slice(from, from + pageSize))
  }
}
