/** Writing a status: whole, by its one author, and only when it says something new. */
import { isDeepStrictEqual } from 'node:util'
import type { KubeClient } from './client.ts'
import { type Kind, keyOf, type Reconcilable } from './kind.ts'
import { isConflict } from './kube-error.ts'

/** Looks at an object that others change again and again are given up for this run after so many. */
const maxTries = 5

/**
 * Makes `status` the status of `live`, in place of whatever stands there, and returns the object; `live` itself when it
 * has that status already. An object that somebody changed meanwhile is looked at again, so that nothing of theirs is
 * undone. Throws a conflict when it was made anew under its name.
 */
export async function replaceStatus<T extends Reconcilable>(
  client: KubeClient,
  kind: Kind<T>,
  live: T,
  status: object,
  fieldManager: string,
): Promise<T> {
  // As the server keeps it: without what is undefined.
  const wanted: unknown = JSON.parse(JSON.stringify(status))
  let now = live
  for (let tries = 1; ; tries++) {
    if (isDeepStrictEqual(wanted, now.status)) return now
    try {
      return await client.replaceStatus(kind, { ...now, status: wanted }, fieldManager)
    } catch (error) {
      if (!isConflict(error) || tries === maxTries) throw error
      const fresh = await client.get(kind, keyOf(now))
      if (fresh.metadata.uid !== live.metadata.uid) throw error
      now = fresh
    }
  }
}
