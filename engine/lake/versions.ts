/** Which version of a lake goes with a revision or a time: its commits say how far each leads. */

import { isBlastyError } from '../../base/errors.ts'
import type { Action } from './delta/actions.ts'
import { readCommit } from './delta/history.ts'
import type { DeltaLake } from './delta/lake.ts'
import { type LakeState, readState } from './delta/state.ts'
import { expiryTime } from './expiry.ts'
import { epochOfApp, type LakeOfLog } from './files.ts'

/** Tag of an add or cdc action: when the last batch of the version was committed to the log, in microseconds since 1970. */
export const committedTag = 'blasty.committed'

/**
 * How far the actions of a commit lead; undefined when they lead no further, as compaction does. `unknown`: further than before, and
 * they do not say how far.
 */
export type MarkOf = (actions: readonly Action[]) => number | 'unknown' | undefined

/** The revision that a commit leads to. Those of one epoch are above all of the epochs before it, so any epoch's says it. */
export const revisionMark =
  ({ log: { stream, epoch } }: LakeOfLog) =>
  (actions: readonly Action[]): number | undefined => {
    for (const action of actions) {
      if ('txn' in action && (epochOfApp(stream, action.txn.appId) ?? Number.POSITIVE_INFINITY) <= epoch)
        return action.txn.version
    }
    return undefined
  }

/** When the newest batch of a commit was committed to the log, in microseconds since 1970. */
export const timeMark = (lake: LakeOfLog): MarkOf => {
  const revisionOf = revisionMark(lake)
  return actions => {
    if (revisionOf(actions) === undefined) return undefined
    // What takes rows out that are too old adds files again that have others.
    const expired = expiryTime(actions, lake)
    if (expired !== undefined) return expired
    // Beside a change file, files are added too whose rows are old and of which some were deleted.
    const changes = actions.flatMap(action => ('cdc' in action ? [action.cdc] : []))
    const files = changes.length > 0 ? changes : actions.flatMap(action => ('add' in action ? [action.add] : []))
    if (files.length === 0) return undefined
    const times = files.flatMap(({ tags }) => tags?.[committedTag] ?? [])
    return times.length < files.length ? 'unknown' : Math.max(...times.map(Number))
  }
}

/**
 * The first version whose mark is greater than `bound`, found by halving; the one after `newest` when there is none. What is
 * cleaned up lies below what is kept, and counts as not greater.
 */
export async function firstVersionBeyond(
  lake: DeltaLake,
  mark: MarkOf,
  bound: number,
  newest: number,
): Promise<number> {
  let low = 0
  let high = newest + 1
  while (low < high) {
    const middle = (low + high) >> 1
    const reached = await markAt(lake, mark, middle, low)
    if (reached === undefined || reached <= bound) low = middle + 1
    else high = middle
  }
  return low
}

/** How far the lake had come at a version; undefined when no commit from `lowest` on can say it. */
export async function markAt(lake: DeltaLake, mark: MarkOf, version: number, lowest = 0): Promise<number | undefined> {
  for (let at = version; at >= lowest; at--) {
    const actions = await readCommit(lake, at)
    if (actions === undefined) return undefined
    const reached = mark(actions)
    if (reached !== undefined) return reached === 'unknown' ? undefined : reached
    if (at === 0) return 0
  }
  return undefined
}

/** The state at a version; undefined when it is not kept, or when even the first version is too new. */
export async function stateAt(lake: DeltaLake, version: number): Promise<LakeState | undefined> {
  if (version < 0) return undefined
  try {
    return await readState(lake, version)
  } catch (error) {
    if (!isBlastyError(error, 'LAKE_VERSION_EXPIRED')) throw error
    return undefined
  }
}
