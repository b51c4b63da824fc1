/** Keeps the index of a Table true to its change log, for as long as this process has the job. */

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { requestTimeoutMillis, type Search } from '../../backends/search/search.ts'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import type { ChangeLog } from '../log/log.ts'
import { logState } from '../log/log.ts'
import type { Schemas } from '../schema/schemas.ts'
import { IndexChanged, IndexerRun } from './indexer-run.ts'
import { idAttribute, type IndexSpec, indexLayout } from './layout.ts'
import { type Progress, progressLine, readProgress } from './progress.ts'

export type IndexerLimits = {
  /** Documents and bytes of rows sent in one batch. */
  readonly documents: number
  readonly bytes: number
  /** Batches sent and not yet carried out by the search server. */
  readonly batchesInFlight: number
  /** How often an index that nobody writes to is looked at, in milliseconds. */
  readonly checkMillis: number
}

export const indexerLimits: IndexerLimits = {
  documents: 5_000,
  bytes: 8 * 1024 * 1024,
  batchesInFlight: 3,
  checkMillis: 5_000,
}

export type IndexerProgress = {
  readonly epoch: number
  readonly revision: number
  /** Rows in the index. */
  readonly documents: number
  /** False while the index is being filled: it may not be searched yet. */
  readonly filled: boolean
}

export type IndexerOptions = {
  readonly log: ChangeLog
  readonly schemas: Schemas
  readonly search: Search
  /** Name of the index in the search server. It is made, and given its settings, by the operator. */
  readonly index: string
  readonly spec: IndexSpec
  /** How long another process may still take the job for its own after it was given to this one, in milliseconds. */
  readonly leaseMillis: number
  readonly signal: AbortSignal
  /** Told after every step, and with a problem when something is away (the indexer goes on trying). */
  readonly onProgress: (progress: IndexerProgress, problem?: string) => void
  readonly limits?: IndexerLimits
  /** How long a request of a predecessor may be under way; the search client's timeout. */
  readonly requestMillis?: number
}

const maxPauseMillis = 5_000

/**
 * Indexes until the signal is aborted; what was sent by then is waited for, within the request timeout.
 * @throws INVALID_ARGUMENT for a spec that does not fit the schema, and what makes going on useless: LOG_GAP, LOG_LOST,
 * LOG_CORRUPT, EPOCH_CHANGED
 */
export async function indexTable(options: IndexerOptions): Promise<void> {
  const { signal, schemas, spec, log } = options
  indexLayout(spec, schemas.current)
  const instance = randomUUID()
  let shown: IndexerProgress = { epoch: log.epoch, revision: 0, documents: 0, filled: false }
  const onProgress: IndexerOptions['onProgress'] = (progress, problem) => {
    shown = progress
    options.onProgress(progress, problem)
  }
  for (let failures = 0; !signal.aborted; ) {
    try {
      const progress = await begin(options, instance)
      await new IndexerRun({ ...options, onProgress: reset(onProgress) }, progress).run()
      return
    } catch (error) {
      if (signal.aborted) return
      if (isBlastyError(error, 'INVALID_ARGUMENT', 'LOG_GAP', 'LOG_LOST', 'LOG_CORRUPT', 'EPOCH_CHANGED')) throw error
      onProgress(shown, problemOf(error))
      const pause = Math.min(maxPauseMillis, 100 * 2 ** failures++)
      await sleep(pause, undefined, { signal }).catch(() => {})
    }
  }

  /** Counts failures from the last step that succeeded. */
  function reset(told: typeof onProgress): typeof onProgress {
    return (progress, problem) => {
      if (problem === undefined) failures = 0
      told(progress, problem)
    }
  }
}
