/** Who does a job: rendezvous hashing among the live workers, so that a change of membership moves as little as possible. */

import { createHash } from 'node:crypto'

/** The worker of a job and its standby; undefined where there are too few. Every member computes the same. */
export function placement(
  job: string,
  workers: readonly string[],
): { readonly worker: string | undefined; readonly standby: string | undefined } {
  const ranked = [...new Set(workers)]
    .map(worker => ({ worker, weight: createHash('sha256').update(`${job}\0${worker}`).digest('hex') }))
    .sort((a, b) => (a.weight < b.weight ? 1 : -1))
  return { worker: ranked[0]?.worker, standby: ranked[1]?.worker }
}
