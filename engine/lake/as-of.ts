/** The revision that a Table had at a time. */

import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BlastyError } from '../../base/errors.ts'
import { readableEnd } from '../log/log.ts'
import type { Table } from '../table.ts'
import { type TableParts, workUntil } from '../until.ts'
import { listLog } from './delta/lake.ts'
import { leasedState } from './delta/leases.ts'
import { type LakeState, readState } from './delta/state.ts'
import { expiredRevision } from './expiry.ts'
import { firstCommitOf, firstRevisionOf, reachedRevision } from './files.ts'
import { downloadFile } from './objects.ts'
import { ParquetFiles } from './parquet.ts'
import { firstVersionBeyond, markAt, revisionMark, stateAt, timeMark } from './versions.ts'

const limits = { memory: '256MB', threads: 1 }

/**
 * The last batch that was committed at `time` (microseconds since 1970) or before; 0 when there is none. Where the clock of the
 * log jumped back, batches in front of a later one may have later times.
 * @throws REVISION_EXPIRED when the lake no longer remembers; LAKE_VERSION_EXPIRED when it is being forgotten at this moment; the
 * signal's reason
 */
export async function revisionAtTime(
  table: Table,
  time: number,
  scratch: string,
  signal: AbortSignal,
): Promise<number> {
  const replica = await table.reached(await readableEnd(table.log), 'rows', signal)
  const { exact, ...archived } = await workUntil(table, signal, stored =>
    archivedAtTime(stored, Math.max(0, time), scratch, signal),
  )
  let { revision } = archived
  if (exact) return revision
  for await (const batch of replica.source.changes(revision, signal, replica.revision)) {
    if (batch.commitTime > time) break
    revision = batch.revision
  }
  signal.throwIfAborted()
  return revision
}

/**
 * A revision that was committed by then, and nothing between which and the one asked for is left out by the changes behind it.
 * `exact`: it is the one asked for.
 */
async function archivedAtTime(
  table: TableParts,
  time: number,
  scratch: string,
  signal: AbortSignal,
): Promise<{ readonly revision: number; readonly exact?: boolean }> {
  const found = await leasedState(table.lake, 'time')
  if (found === undefined) return { revision: 0 }
  const { state, lease } = found
  try {
    return await foundAtTime(table, time, state, scratch, signal)
  } catch (error) {
    throw await lease.explain(error)
  } finally {
    await lease.release()
  }
}

async function foundAtTime(
  table: TableParts,
  time: number,
  state: LakeState,
  scratch: string,
  signal: AbortSignal,
): Promise<{ readonly revision: number; readonly exact?: boolean }> {
  const search = (files: LakeState) => appendedAtTime(table, time, files, scratch, signal)
  if (!table.keyed && expiredRevision(state, table) === 0) return { revision: await search(state) }
  const { lake } = table
  const version = (await firstVersionBeyond(lake, timeMark(table), time, state.version)) - 1
  const revision = await versionRevision(table, time, version, state)
  if (table.keyed || version === state.version) return { revision }
  // The rows between that version and the next may be too old by now; in the next they still are.
  const next = await stateAt(table.lake, version + 1)
  if (next === undefined) throw await expired(table, textOf(time), state)
  return { revision: Math.max(revision, await search(next)), exact: true }
}

/** The revision that a version leads to, the last whose rows were committed at a time or before. */
async function versionRevision(table: TableParts, time: number, version: number, state: LakeState): Promise<number> {
  const { lake } = table
  // What is kept may begin with a version of which nobody can say any more when its rows were committed.
  const known = await markAt(lake, timeMark(table), version)
  const revision = await markAt(lake, revisionMark(table), version)
  if (known === undefined || revision === undefined) throw await expired(table, textOf(time), state)
  return revision
}

const textOf = (time: number): string => new Date(Math.min(time / 1000, 8.64e15)).toISOString()

/** Each file holds a range of revisions of its own: the last that has a row of that time or before says where it ends. */
async function appendedAtTime(
  table: TableParts,
  time: number,
  state: LakeState,
  scratch: string,
  signal: AbortSignal,
): Promise<number> {
  const files = [...state.files.values()]
    .filter(file => firstCommitOf(file) <= time)
    .sort((a, b) => firstRevisionOf(b) - firstRevisionOf(a))
  if (files.length === 0) return 0
  const folder = join(scratch, `time-${randomUUID()}`)
  await mkdir(folder, { recursive: true })
  const parquet = await ParquetFiles.open(folder, limits)
  try {
    for (const file of files) {
      signal.throwIfAborted()
      const local = await downloadFile(table.lake, file, folder)
      const end = await parquet.lastBatch(local, time)
      if (end !== undefined) return end
      await rm(local)
    }
    return 0
  } finally {
    parquet.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** REVISION_EXPIRED that tells what is kept. */
export async function expired(
  table: Pick<TableParts, 'lake' | 'log'>,
  asOf: string,
  newest: LakeState,
): Promise<BlastyError> {
  const { commits, checkpoints } = await listLog(table.lake)
  const begin = commits[0] === 0 ? 0 : (checkpoints[0]?.version ?? newest.version)
  const state = await readState(table.lake, begin).catch(() => newest) // It may go at this very moment.
  return new BlastyError('REVISION_EXPIRED', {
    table: table.log.table,
    asOf,
    oldest: reachedRevision(state ?? newest, table),
  })
}
