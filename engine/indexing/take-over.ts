/** Where an indexer begins: behind its predecessor's progress, or with an emptied index. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { IndexInfo } from '../../backends/search/search.ts'
import { BlastyError } from '../../base/errors.ts'
import { logState } from '../log/log.ts'
import type { IndexerJob } from './indexer.ts'
import { type IndexLayout, idAttribute } from './layout.ts'
import { type Progress, progressLine, readProgress } from './progress.ts'

const maxPauseMillis = 250

/**
 * Makes sure that nothing of a predecessor is still under way, then writes a progress document in this instance's name.
 * The search server has no fence, so a predecessor that did not end in order is waited out: its lease, and the longest
 * time a request of its may take from there. With `refill` the index begins anew whatever its progress.
 * @throws INDEX_NOT_FOUND, BACKEND_REFUSED for an index with another primary key, BACKEND_UNAVAILABLE, what `logState` throws
 */
export async function takeOver(job: IndexerJob, layout: IndexLayout, refill = false): Promise<Progress> {
  const { search, index, instance, leaseMillis, requestMillis, signal, log } = job
  await indexOf(job)
  const before = await readProgress(search, index)
  if (before !== undefined && before.instance !== '' && before.instance !== instance) {
    await sleep(leaseMillis + requestMillis, undefined, { signal })
  }
  await idle(job)
  const { createdAt } = await indexOf(job)
  const found = await readProgress(search, index)
  const holds =
    // What was filled from a snapshot that did not get to its end may hold rows that are gone by now.
    !refill &&
    found !== undefined &&
    found.revision > 0 &&
    found.epoch === log.epoch &&
    found.layout === layout.fingerprint &&
    found.createdAt === createdAt
      ? found
      : undefined
  if (holds === undefined) await search.deleteAllDocuments(index)
  const { last } = await logState(log)
  const progress = holds
    ? { ...holds, instance }
    : { epoch: log.epoch, revision: 0, filledAt: last, layout: layout.fingerprint, createdAt, instance }
  await search.taskDone(index, await search.addDocuments(index, progressLine(progress), idAttribute), signal)
  return progress
}

/** The index as it is now. */
export async function indexOf({ search, index }: IndexerJob): Promise<IndexInfo> {
  const info = await search.getIndex(index)
  if (info === undefined) throw new BlastyError('INDEX_NOT_FOUND', { index })
  if (info.primaryKey === idAttribute) return info
  const problem = `index ${index} has the primary key ${info.primaryKey ?? 'none'} instead of ${idAttribute}`
  throw new BlastyError('BACKEND_REFUSED', { backend: 'search server', problem })
}

/** Waits until the server carried out every task of the index. */
async function idle({ search, index, signal }: IndexerJob): Promise<void> {
  for (let pause = 5; (await search.tasksWaiting(index)) > 0; pause = Math.min(maxPauseMillis, pause * 2)) {
    await sleep(pause, undefined, { signal })
  }
}
