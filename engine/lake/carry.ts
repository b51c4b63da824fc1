/** The work of one archiver: it reads a log, and has what it read committed to the lake. */

import { type Demand, orDemand } from '../../backends/streams/demand.ts'
import { isBlastyError } from '../../base/errors.ts'
import { type ChangeLog, logState } from '../log/log.ts'
import { purgeLog } from '../log/retention.ts'
import type { TableReplica } from '../replica/replica.ts'
import type { ArchiveRun } from './archive-run.ts'
import type { ArchiveProgress, ArchiverOptions } from './archiver.ts'
import { liveRowsOf, rowsOf } from './files.ts'
import type { Upkeep } from './upkeep.ts'

/** How long what is left of a lost log may take to be read. */
const restMillis = 10_000
const defaultPurgeMillis = 10_000

/**
 * Takes batch after batch, and has them committed when the window has been open long enough or is full. What was read in the meantime
 * becomes the next window. When anything goes wrong, all that was read ahead is thrown away with the run.
 */
export async function carry(
  run: ArchiveRun,
  demand: Demand,
  upkeep: Upkeep,
  options: ArchiverOptions,
  tell: (progress: ArchiveProgress) => void,
) {
  const {
    table,
    signal,
    commitWindowMillis,
    retentionSeconds,
    purgeMillis = defaultPurgeMillis,
    now = Date.now,
  } = options
  const { waiting } = run
  const told = () => tell(progressOf(run, table.log.epoch))
  told()
  const replica = table.keyed ? await table.reached(run.archived, 'rows', signal) : undefined
  const over = new AbortController()
  const until = AbortSignal.any([signal, over.signal])
  const batches = replica?.source.changes(run.archived, until) ?? table.appended(run.archived, until)
  let purge = 0
  const purgeWhenDue = async () => {
    if (performance.now() < purge) return
    await purgeLog(table.log, run.archived, { retentionSeconds, now: now() })
    purge = performance.now() + purgeMillis
  }
  let committing: Promise<void> | undefined
  const failures: unknown[] = []
  const commitSealed = async () => {
    while (!signal.aborted && (await run.commit())) {
      told()
      demand.wake?.()
      while (!signal.aborted && (await run.compact())) told()
      await upkeep.after(run.state)
    }
  }
  const startCommitting = () => {
    committing ??= commitSealed()
      .catch(error => {
        failures.push(error)
      })
      .finally(() => {
        committing = undefined
        demand.wake?.()
      })
  }
  const nextBatch = () => {
    const next = batches.next()
    // Nobody may be waiting for it when it fails.
    next.catch(() => {})
    return next
  }
  try {
    let due = Number.POSITIVE_INFINITY
    let next = nextBatch()
    for (;;) {
      // Behind what was read: a log that is gone shows here first.
      await purgeWhenDue()
      // From here to the waiting nothing else runs, so that no reason to look again is missed.
      if (failures.length > 0) throw failures[0]
      // Also for what changed no row, such as the deletion of one that is not there: somebody waits for it.
      const asked = run.sealed < demand.revision && run.revision >= demand.revision
      if (waiting.sealable && (performance.now() >= due || waiting.full || asked)) {
        run.seal()
        due = Number.POSITIVE_INFINITY
      }
      if (waiting.next !== undefined) startCommitting()
      const look = Math.min(purge, waiting.sealable ? due : Number.POSITIVE_INFINITY)
      const result = await orDemand(waiting.full ? undefined : next, demand, look - performance.now())
      if (signal.aborted) return
      if (result === 'due' || result === 'demand') continue
      if (result.done) return
      await run.add(result.value)
      due = waiting.open ? Math.min(due, performance.now() + commitWindowMillis) : Number.POSITIVE_INFINITY
      next = nextBatch()
    }
  } finally {
    over.abort()
    await batches.return(undefined)
    await committing
    const behind = waiting.pending || (replica !== undefined && replica.revision > run.revision)
    if (behind && (await isLost(table.log))) {
      if (replica !== undefined) await takeRest(run, replica)
      await run.commitAll()
      told()
    }
  }
}

/** Adds what a replica has read of a log that is gone, unless it has given up itself. */
async function takeRest(run: ArchiveRun, { source, revision }: TableReplica): Promise<void> {
  try {
    for await (const batch of source.changes(run.revision, AbortSignal.timeout(restMillis), revision))
      await run.add(batch)
  } catch (error) {
    if (!isBlastyError(error, 'LOG_LOST', 'TABLE_NOT_READY')) throw error
  }
}

/** Whether the log is gone. Then nobody can read again what waits for a commit, and the lake must have it while it is known. */
async function isLost(log: ChangeLog): Promise<boolean> {
  try {
    await logState(log)
    return false
  } catch (error) {
    return isBlastyError(error, 'LOG_LOST')
  }
}

function progressOf({ state, archived }: ArchiveRun, epoch: number): ArchiveProgress {
  let bytes = 0
  let rows = 0
  for (const file of state.files.values()) {
    bytes += file.size
    // Only until a file of another engine, which may not say it, is written anew.
    if (Number.isFinite(rowsOf(file))) rows += liveRowsOf(file)
  }
  return { epoch, revision: archived, version: state.version, files: state.files.size, bytes, rows }
}
