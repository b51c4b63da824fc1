/** Which version of a lake was the newest at a moment. */

import { BlastyError } from '../../base/errors.ts'
import { readCommit } from '../lake/delta/history.ts'
import { type DeltaLake, lakeName, listLog } from '../lake/delta/lake.ts'

/**
 * The last version committed at `millis` (since 1970) or before. Times of versions ascend.
 * @throws LAKE_VERSION_EXPIRED when it is older than what is kept, or than the lake itself; LAKE_CORRUPT
 */
export async function versionAsOf(lake: DeltaLake, millis: number): Promise<number> {
  const { commits } = await listLog(lake)
  let low = -1
  let high = commits.length - 1
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((await committedAt(lake, commits[middle] ?? 0)) <= millis) low = middle
    else high = middle - 1
  }
  const version = commits[low]
  if (version !== undefined) return version
  throw new BlastyError('LAKE_VERSION_EXPIRED', {
    lake: lakeName(lake),
    version: `of ${new Date(millis).toISOString()}`,
    oldest: commits[0] ?? 'none',
  })
}

async function committedAt(lake: DeltaLake, version: number): Promise<number> {
  for (const action of (await readCommit(lake, version)) ?? []) {
    if ('commitInfo' in action) return Number(action.commitInfo.timestamp)
  }
  throw new BlastyError('LAKE_CORRUPT', {
    lake: lakeName(lake),
    problem: `version ${version} does not say when it was`,
  })
}
