/** Keeps the index of a Table true to its change log, for as long as this process has the job. */

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { requestTimeoutMillis, type Search } from '../../backends/search/search.ts'
import { isBlastyError } from '../../base/errors.ts'
import type { ChangeLog } from '../log/log.ts'
import type { TableReplica } from '../replica/replica.ts'
import type { Schemas } from '../schema/schemas.ts'
import { IndexerRun } from './indexer-run.ts'
import { type IndexSpec, indexLayout } from './layout.ts'
import { takeOver } from './take-over.ts'

export type IndexerLimits = {
  /** Documents sent together. */
  readonly documents: number
  /** Bytes of rows sent together. */
  readonly bytes: number
  /** Batches sent and not yet carried out by the search server. */
  readonly batchesInFlight: number
  /** How often an index is looked at for what others did to it, in milliseconds. */
  readonly checkMillis: number
}

const defaultLimits: IndexerLimits = {
  documents: 5_000,
  bytes: 8 * 1024 * 1024,
  batchesInFlight: 3,
  checkMillis: 5_000,
}

export type IndexerProgress = {
  readonly epoch: number
  /** Row changes up to here can be found. */
  readonly revision: number
  /** Rows in the index, as counted last. */
  readonly documents: number
  /** False while the index is being filled: it cannot be searched yet. */
  readonly filled: boolean
}

export type IndexerOptions = {
  readonly log: ChangeLog
  readonly schemas: Schemas
  /** The Table's rows and changes in this process; another one when the last failed. */
  readonly replica: (signal: AbortSignal) => Promise<TableReplica>
  readonly search: Search
  /** Name of the index in the search server. The operator makes it and gives it its settings. */
  readonly index: string
  readonly spec: IndexSpec
  /** How long another process may still take the job for its own after this one got it, in milliseconds. */
  readonly leaseMillis: number
  readonly signal: AbortSignal
  /** Told after each step, and with a problem when something is away (the indexer goes on trying). */
  readonly onProgress: (progress: IndexerProgress, problem?: string) => void
  readonly limits?: Partial<IndexerLimits>
  /** How long a request of a predecessor may be under way, in milliseconds. */
  readonly requestMillis?: number
}

/** The options with what they leave open filled in, and what one indexer is known by. */
export type IndexerJob = Omit<IndexerOptions, 'limits'> & {
  readonly limits: IndexerLimits
  readonly requestMillis: number
  readonly instance: string
}

const maxPauseMillis = 2_000

/**
 * Indexes until the signal is aborted. What was sent by then is waited for, within `requestMillis`.
 * @throws INVALID_ARGUMENT for a spec that does not fit the schema; LOG_LOST, LOG_CORRUPT, EPOCH_CHANGED
 */
export async function indexTable(options: IndexerOptions): Promise<void> {
  const { signal } = options
  let shown: IndexerProgress = { epoch: options.log.epoch, revision: 0, documents: 0, filled: false }
  let failures = 0
  let refill = false
  const job: IndexerJob = {
    ...options,
    limits: { ...defaultLimits, ...options.limits },
    requestMillis: options.requestMillis ?? requestTimeoutMillis,
    instance: randomUUID(),
    onProgress: progress => {
      if (progress.revision !== shown.revision) failures = 0
      shown = progress
      options.onProgress(progress)
    },
  }
  while (!signal.aborted) {
    try {
      const layout = indexLayout(options.spec, options.schemas.current)
      const progress = await takeOver(job, layout, refill)
      refill = false
      await new IndexerRun(job, layout, progress).run()
    } catch (error) {
      // Not handed over in order: the successor waits out the lease.
      if (signal.aborted) return
      if (!isBlastyError(error) || endsIt(error)) throw error
      // Neither the log nor the lake remembers what came since: the index begins anew, with the rows as they are.
      if (isBlastyError(error, 'CURSOR_EXPIRED')) refill = true
      options.onProgress(shown, error.message)
      const pause = Math.min(maxPauseMillis, 100 * 2 ** failures++)
      await sleep(pause, undefined, { signal }).catch(() => {})
    }
  }
}

function endsIt(error: unknown): boolean {
  return isBlastyError(error, 'INVALID_ARGUMENT', 'LOG_LOST', 'LOG_CORRUPT', 'EPOCH_CHANGED', 'INTERNAL')
}
