/** Archives the log of a Table into its lake for as long as it is asked to, whatever fails on the way. */

import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Demand, orDemand } from '../../backends/streams/demand.ts'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import { declaredFloor } from '../log/control.ts'
import { holdsRecords } from '../log/log.ts'
import type { Schemas } from '../schema/schemas.ts'
import type { Table } from '../table.ts'
import { tableUntil } from '../until.ts'
import { ArchiveRun, Superseded } from './archive-run.ts'
import { carry } from './carry.ts'
import { commit } from './delta/commit.ts'
import type { DeltaLake } from './delta/lake.ts'
import { creationActions } from './delta/protocol.ts'
import { type LakeState, readState } from './delta/state.ts'
import { demandOf } from './demand.ts'
import { archivedRevision, epochsIn, erasedRevision } from './files.ts'
import { Places } from './places.ts'
import { Upkeep } from './upkeep.ts'

export type ArchiveProgress = {
  readonly epoch: number
  /** The last revision that the lake holds. */
  readonly revision: number
  readonly version: number
  readonly files: number
  readonly bytes: number
  readonly rows: number
}

export type ArchiverOptions = {
  readonly table: Table
  /** Cache folder of this Table's archiver alone. */
  readonly directory: string
  readonly commitWindowMillis: number
  readonly historySeconds: number
  /** How long a change stays in the log, in seconds, when the lake holds it. */
  readonly retentionSeconds: number
  readonly signal: AbortSignal
  /** The revision that the lake is known to have held: one that holds less is lost. */
  readonly archivedBefore?: number
  readonly onProgress: (progress: ArchiveProgress) => void
  /** Told what went wrong, and how far the lake was; it is tried again. */
  readonly onFailure: (error: unknown, progress: ArchiveProgress | undefined) => void
  /** How often the log is looked at for what may be purged, in milliseconds. */
  readonly purgeMillis?: number
  /** How often what is past the history is removed, in milliseconds. */
  readonly cleanMillis?: number
  /** How often a log without rows is looked at, in milliseconds. */
  readonly emptyPauseMillis?: number
  /** Versions from one checkpoint to the next. */
  readonly checkpointVersions?: number
  /** How long requests to the store may go on when the signal is aborted, in milliseconds. */
  readonly stopMillis?: number
  /** Objects younger than so many milliseconds are never removed; longer than a commit takes. */
  readonly leastAgeMillis?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const maxPauseMillis = 30_000
const defaultEmptyPauseMillis = 10_000
const defaultStopMillis = 5_000

type Work = ArchiverOptions & { readonly lake: DeltaLake; readonly schemas: Schemas }

/**
 * Archives until the signal is aborted. What is under way then has some seconds to end, also for what only the archiver still knows of a
 * log that is gone; after that its requests to the store are cut off.
 */
export async function archive(options: ArchiverOptions): Promise<void> {
  const { table, signal, stopMillis = defaultStopMillis } = options
  const cut = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const stopping = () => {
    timer = setTimeout(() => cut.abort(), stopMillis)
  }
  signal.addEventListener('abort', stopping, { once: true })
  try {
    const { lake, schemas } = tableUntil(table, cut.signal)
    await keepArchiving({ ...options, lake, schemas })
  } finally {
    signal.removeEventListener('abort', stopping)
    clearTimeout(timer)
  }
}

async function keepArchiving(options: Work): Promise<void> {
  const { table, signal, onProgress, onFailure, directory } = options
  // Heard from the beginning: what is asked while the lake is opened counts too.
  const demand = demandOf(table)
  signal.addEventListener('abort', demand.close, { once: true })
  if (signal.aborted) demand.close()
  let progress: ArchiveProgress | undefined
  for (let failures = 0; !signal.aborted; ) {
    try {
      // What this process has seen in the lake must be there, also if nobody else knows of it yet.
      const archivedBefore = Math.max(options.archivedBefore ?? 0, progress?.revision ?? 0)
      await archiveOnce({ ...options, archivedBefore }, demand, next => {
        failures = 0
        progress = next
        onProgress(progress)
      })
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof Superseded)) {
        onFailure(error, progress)
        // What the cache says may be why; the next try reads everything anew.
        if (!isBlastyError(error) || !error.entry.retryable) await rm(directory, { recursive: true, force: true })
      }
      await sleep(Math.min(maxPauseMillis, 200 * 2 ** failures++), undefined, { signal }).catch(() => {})
    }
  }
}

async function archiveOnce(options: Work, demand: Demand, tell: (progress: ArchiveProgress) => void): Promise<void> {
  const {
    table,
    lake,
    schemas,
    directory,
    signal,
    now = Date.now,
    emptyPauseMillis = defaultEmptyPauseMillis,
  } = options
  await firstRow(table, demand, emptyPauseMillis, signal)
  if (signal.aborted) return
  const state = await openLake(options, now)
  const scratch = join(directory, `run-${randomUUID()}`)
  await mkdir(scratch, { recursive: true })
  const places = table.keyed
    ? new Places(directory, {
        tableUid: table.log.tableUid,
        epoch: table.log.epoch,
        erased: erasedRevision(state, table),
      })
    : undefined
  let run: ArchiveRun | undefined
  try {
    run = await ArchiveRun.start({ table, lake, schemas, places, scratch, state, now })
    await carry(run, demand, new Upkeep({ ...options, scratch, now }), options, tell)
  } finally {
    await run?.close()
    await places?.close()
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Waits until the log holds more than announcements of schemas: a Table that nobody writes to needs no lake yet. */
async function firstRow(table: Table, demand: Demand, pauseMillis: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (await holdsRecords(table.log)) return
    const pause = sleep(pauseMillis, undefined, { signal }).catch(() => {})
    await orDemand(pause, demand)
  }
}

/**
 * The lake as it is, made when there is none.
 * @throws LAKE_LOST when it holds less than it did, EPOCH_CHANGED when it knows of a later epoch
 */
export async function openLake(
  options: Pick<Work, 'table' | 'lake' | 'historySeconds' | 'archivedBefore'>,
  now: () => number,
): Promise<LakeState> {
  const { table, lake, historySeconds, archivedBefore = 0 } = options
  // Before the log is purged the lake holds what is purged, and the floor says how much that is: first the floor, then the lake, or
  // what another archiver did in between would look like a loss.
  const needed = Math.max(archivedBefore, await declaredFloor(table.log))
  const found = await readState(lake).catch(error => {
    if (!isBlastyError(error, 'LAKE_CORRUPT')) throw error
    throw new BlastyError('LAKE_LOST', { table: table.log.table, problem: error.message }, { cause: error })
  })
  const newest = found && epochsIn(found, table.log.stream).at(-1)?.epoch
  // The Table was repaired: what is still told of its earlier log must not get into the lake behind the new epoch's beginning.
  if (newest !== undefined && newest > table.log.epoch)
    throw new BlastyError('EPOCH_CHANGED', { table: table.log.table, actual: newest, given: table.log.epoch })
  const held = found === undefined ? 0 : archivedRevision(found, table)
  if (held < needed) {
    const problem = found === undefined ? `bucket ${lake.bucket} holds none` : `it ends at revision ${held}`
    throw new BlastyError('LAKE_LOST', {
      table: table.log.table,
      problem: `${problem}, but revision ${needed} was archived`,
    })
  }
  if (found !== undefined) return found
  const { name, namespace } = table.descriptor
  const creation = creationActions(table.schemas.current, {
    id: randomUUID(),
    createdTime: now(),
    name: `${namespace}.${name}`,
    historySeconds,
  })
  await commit(lake, 0, creation, { commitId: randomUUID(), operation: 'CREATE TABLE', timestamp: now() })
  const made = await readState(lake)
  if (made === undefined) throw new BlastyError('LAKE_CORRUPT', { lake: lake.bucket, problem: 'it vanished when made' })
  return made
}
