/** Commits a version of a lake, exactly once or not at all, whatever becomes of the answers (Delta protocol, Delta Log Entries). */

import { createHash } from 'node:crypto'
import type { Claims } from '../../../backends/object-store/claims.ts'
import { BlastyError } from '../../../base/errors.ts'
import { type Action, serialiseActions } from './actions.ts'
import { lastCheckpoint } from './checkpoint.ts'
import { readCommit } from './history.ts'
import { commitKey, type DeltaLake, lakeName, listLog, stagedKey } from './lake.ts'

export type CommitOptions = {
  /** Random, of this attempt alone: by it the writer knows its own commit again. */
  readonly commitId: string
  /** Milliseconds, greater than the timestamp of the version before: `max(now, state.timestamp + 1)`. */
  readonly timestamp: number
  /** What the history shows, such as `MERGE` or `OPTIMIZE`. Without it, `WRITE`. */
  readonly operation?: string
}

/** `taken`: another commit has the version, with these actions. */
export type CommitResult =
  | { readonly kind: 'committed' }
  | { readonly kind: 'taken'; readonly actions: readonly Action[] }

/**
 * Puts the actions as version `version`, which must follow the newest that the caller has read. When it throws, it is not known
 * whether the version is committed: the same call again, with the same commit id, is safe and finds out.
 * @throws RangeError when the actions are not a version that readers take; LAKE_VERSION_EXPIRED when the version is long past and
 * cleaned up; LAKE_CORRUPT when the versions before it are gone; the errors of the object store
 */
export async function commit(
  lake: DeltaLake,
  version: number,
  actions: readonly Action[],
  options: CommitOptions,
): Promise<CommitResult> {
  const { commitId, timestamp, operation = 'WRITE' } = options
  checkPaths(actions)
  const info: Action = { commitInfo: { timestamp, operation, engineInfo: 'blasty', txnId: commitId } }
  const body = serialiseActions([info, ...actions])
  const answer =
    lake.claims === undefined
      ? await putCommit(lake, version, body)
      : await claimCommit(lake, lake.claims, version, body)
  const found = answer === 'done' ? undefined : await readCommit(lake, version)
  const ours = answer === 'done' || (found !== undefined && idOf(found) === commitId)
  await refuseThePast(lake, version, ours)
  if (ours) return { kind: 'committed' }
  if (found === undefined) throw answer.problem
  return { kind: 'taken', actions: found }
}

/** `problem`: why it is not known whose the version is. */
type Answer = 'done' | { readonly problem: unknown }

/** One conditional put. A client that tries again by itself is refused by its own first try, so a refusal says nothing yet. */
async function putCommit(lake: DeltaLake, version: number, body: Buffer): Promise<Answer> {
  try {
    const put = await lake.objects.put(lake.bucket, commitKey(lake, version), body, { ifAbsent: true })
    return put ? 'done' : { problem: unavailable(`version ${version} was taken and is not there`) }
  } catch (problem) {
    return { problem }
  }
}

/**
 * Where the condition is not honoured, only the content that a claim names is ever put under a version. It is staged before the
 * claim, so that whoever finds the claim can finish what its writer did not.
 */
async function claimCommit(lake: DeltaLake, claims: Claims, version: number, body: Buffer): Promise<Answer> {
  const hash = sha256(body)
  const { objects, bucket } = lake
  const key = commitKey(lake, version)
  try {
    // Claims may be younger than the lake: what is there already stays.
    if ((await objects.head(bucket, key)) !== undefined) return { problem: unavailable(`version ${version} vanished`) }
    await objects.put(bucket, stagedKey(lake, version, hash), body)
    const claimed = await claims.claim(version, hash)
    const winner = claimed === 'ours' ? hash : claimed.hash
    const content = winner === hash ? body : await objects.get(bucket, stagedKey(lake, version, winner))
    // Without its staged content the claim has been finished, and cleaned up, by its writer.
    if (content !== undefined) {
      if (sha256(content) !== winner)
        return { problem: corrupt(lake, `a staged commit of version ${version} is damaged`) }
      // A store that does honour it, for those who were told so, may have given the version to one who claims nothing.
      const put = await objects.put(bucket, key, content, { ifAbsent: true })
      if (!put) return { problem: unavailable(`version ${version} was taken and is not there`) }
    }
    await objects.remove(
      bucket,
      [hash, winner].map(staged => stagedKey(lake, version, staged)),
    )
    if (winner === hash) return 'done'
    // Said only when the version is not there after all.
    return { problem: corrupt(lake, `the content that version ${version} is claimed for is lost`) }
  } catch (problem) {
    return { problem }
  }
}

/**
 * A writer that slept for longer than the log is kept finds its version free, or taken by another sleeper, because the real one was
 * cleaned up. What lies there is below every checkpoint and read by nobody, so it must not be believed in; and what is ours is taken
 * away again, since it may tell of rows that have been erased meanwhile.
 */
async function refuseThePast(lake: DeltaLake, version: number, ours: boolean): Promise<void> {
  const checkpoint = await lastCheckpoint(lake)
  if (checkpoint !== undefined && checkpoint < version) return
  // Where there never was a checkpoint nothing was cleaned up.
  const never = checkpoint === undefined && version > 0
  if (never && (await lake.objects.head(lake.bucket, commitKey(lake, 0))) !== undefined) return
  const { commits, checkpoints } = await listLog(lake)
  if (commits.every((commit, index) => commit === index)) return
  const oldest = checkpoints[0]?.version
  // Only what a checkpoint holds is ever cleaned up. Ours stays: it shows that there was a lake.
  if (oldest === undefined) throw corrupt(lake, `version ${version} is put, and those before it are gone`)
  if (oldest < version) return
  if (ours) await lake.objects.remove(lake.bucket, [commitKey(lake, version)])
  throw new BlastyError('LAKE_VERSION_EXPIRED', { lake: lakeName(lake), version, oldest })
}

/** A version adds a path at most once and removes it at most once (Delta protocol, Add File and Remove File). */
function checkPaths(actions: readonly Action[]): void {
  const seen = new Set<string>()
  for (const action of actions) {
    const file = 'add' in action ? `+${action.add.path}` : 'remove' in action ? `-${action.remove.path}` : undefined
    if (file === undefined) continue
    if (seen.has(file)) throw new RangeError(`a commit names ${file.slice(1)} twice`)
    seen.add(file)
  }
}

function idOf(actions: readonly Action[]): string | undefined {
  for (const action of actions) if ('commitInfo' in action) return action.commitInfo.txnId
  return undefined
}

const sha256 = (body: Buffer) => createHash('sha256').update(body).digest('hex')

const corrupt = (lake: DeltaLake, problem: string) => new BlastyError('LAKE_CORRUPT', { lake: lakeName(lake), problem })

const unavailable = (problem: string) => new BlastyError('BACKEND_UNAVAILABLE', { backend: 'object store', problem })
