/** Collecting the blobs of one Table that no row names. */

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServedTable } from '../directory/directory.ts'
import { collectBlobs } from '../engine/blobs/collect.ts'
import { namedMillis } from '../engine/blobs/content.ts'
import { namedBlobs } from '../engine/blobs/named.ts'
import { logState } from '../engine/log/log.ts'
import type { Logger } from '../operator/mod.ts'
import type { Job } from './jobs.ts'
import { tableVersion, type WorkerOptions } from './worker.ts'

export type CollectingOptions = {
  readonly scratch: string
  readonly signal: AbortSignal
  readonly log: Pick<Logger, 'info'>
  /** How long the Table is watched before each collection, in milliseconds. */
  readonly watchMillis?: number
  /** From one collection to the next, in milliseconds. */
  readonly restMillis?: number
}

const dayMillis = 24 * 60 * 60 * 1000

/** The job of a Table with a key; where there are no blobs, and never were, it looks once a day and finds nothing. */
export function blobJob(served: ServedTable, { dataDirectory, log }: WorkerOptions): Job {
  const { namespace, name, uid } = served.table.descriptor
  return {
    id: `blobs/${uid}`,
    version: tableVersion(served),
    run: signal => keepCollecting(served, { scratch: join(dataDirectory, 'blobs', namespace, name), signal, log }),
  }
}

/** Collects once a day until the signal is aborted. Two that do so for one Table do no harm. */
export async function keepCollecting({ table }: Pick<ServedTable, 'table'>, options: CollectingOptions): Promise<void> {
  const { scratch, signal, log, watchMillis = namedMillis, restMillis = dayMillis } = options
  for (;;) {
    const { last: since } = await logState(table.log)
    await sleep(watchMillis, undefined, { signal })
    const named = () => namedBlobs(table, { since, scratch, signal })
    const collected = await collectBlobs({ ...table.blobs, named, signal })
    log.info({ table: table.log.table, ...collected }, 'blobs that no row names were collected')
    await sleep(restMillis, undefined, { signal })
  }
}
