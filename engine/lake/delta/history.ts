/** The commits of a lake, one by one: what each version changed. */

import { BlastyError } from '../../../base/errors.ts'
import { type Action, parseActions } from './actions.ts'
import { commitKey, type DeltaLake, firstWhole, lakeName, listLog } from './lake.ts'

export type Commit = { readonly version: number; readonly actions: readonly Action[] }

/** Commits that are being read at a time. */
const window = 8

/** The actions of a version; undefined when there is no such commit. Throws LAKE_CORRUPT and LAKE_UNSUPPORTED. */
export async function readCommit(lake: DeltaLake, version: number): Promise<readonly Action[] | undefined> {
  const body = await lake.objects.get(lake.bucket, commitKey(lake, version))
  return body === undefined ? undefined : parseCommit(lake, version, body)
}

/** The actions in the bytes of a commit. Every commit has some: one without is a torn one. */
function parseCommit(lake: DeltaLake, version: number, body: Buffer): readonly Action[] {
  const name = `${lakeName(lake)} version ${version}`
  if (body.toString().trim() === '')
    throw new BlastyError('LAKE_CORRUPT', { lake: name, problem: 'its commit is empty' })
  return parseActions(body.toString(), name)
}

/** Reads versions `from` to `to`, both included, several at a time and in order. Undefined are the actions of missing ones. */
export async function* readCommits(
  lake: DeltaLake,
  from: number,
  to: number,
): AsyncGenerator<{ version: number; actions: readonly Action[] | undefined }> {
  const reading: Promise<readonly Action[] | undefined>[] = []
  for (let version = from, next = from; version <= to; version++) {
    for (; next <= to && next < version + window; next++) {
      const commit = readCommit(lake, next)
      // Whoever stops early does not come to the later ones: their errors are nobody's then.
      commit.catch(() => {})
      reading.push(commit)
    }
    yield { version, actions: await reading.shift() }
  }
}

/**
 * The commits of versions `from` to `to`, both included, in order.
 * @throws LAKE_VERSION_EXPIRED, naming the oldest that is kept; INVALID_ARGUMENT beyond the newest; LAKE_CORRUPT
 */
export async function* commitsBetween(lake: DeltaLake, from: number, to: number): AsyncGenerator<Commit> {
  for await (const { version, actions } of readCommits(lake, from, to)) {
    if (actions === undefined) throw await missing(lake, version)
    yield { version, actions }
  }
}

/** Why a commit is not there. */
async function missing(lake: DeltaLake, version: number): Promise<BlastyError> {
  const listing = await listLog(lake)
  const newest = listing.commits.at(-1)
  const oldest = firstWhole(listing)
  if (newest === undefined || version > newest) {
    return new BlastyError('INVALID_ARGUMENT', {
      field: 'version',
      problem: `${version} is beyond ${newest ?? 'none'}`,
    })
  }
  // Only what a checkpoint holds is ever cleaned up.
  const cleaned = listing.checkpoints.some(checkpoint => checkpoint.version >= version)
  if (version > (oldest ?? 0) || !(cleaned || version < (listing.commits[0] ?? 0))) {
    return new BlastyError('LAKE_CORRUPT', {
      lake: lakeName(lake),
      problem: `the commit of version ${version} is missing`,
    })
  }
  return new BlastyError('LAKE_VERSION_EXPIRED', { lake: lakeName(lake), version, oldest: oldest ?? newest })
}
