/**
 * How the lake of an append-only Table says that rows are gone: a version of its own takes them out, and two `txn` actions say up
 * to which revision and since when. Every row up to that revision is then in no file, or under a deletion vector.
 */

import { rm } from 'node:fs/promises'
import type { LogIdentity } from '../log/log.ts'
import type { Table } from '../table.ts'
import type { Action, AddFile } from './delta/actions.ts'
import { type LakeState, readState } from './delta/state.ts'
import { firstRevisionOf, lastRevisionOf, rowsOf } from './files.ts'
import { downloadFile } from './objects.ts'
import type { ParquetFiles } from './parquet.ts'

type Log = Pick<LogIdentity, 'stream'>

/** No epoch is called so, and the revisions of each are above those of all before it: this holds for all of them. */
const upToId = ({ stream }: Log): string => `blasty:${stream}:expired`
const sinceId = ({ stream }: Log): string => `blasty:${stream}:expired-at`

/** The revision up to which rows are gone from a version; 0 when none are. */
export function expiredRevision({ txns }: Pick<LakeState, 'txns'>, { log }: { readonly log: Log }): number {
  return txns.get(upToId(log))?.version ?? 0
}

/** The same of the newest version. */
export async function archivedExpiry(table: Pick<Table, 'lake' | 'log'>): Promise<number> {
  const state = await readState(table.lake)
  return state === undefined ? 0 : expiredRevision(state, table)
}

/** What says that rows up to `revision` are gone since `time`, in microseconds since 1970. */
export function expiryMarks({ log }: { readonly log: Log }, revision: number, time: number): Action[] {
  return [{ txn: { appId: upToId(log), version: revision } }, { txn: { appId: sinceId(log), version: time } }]
}

/** When the rows were gone that a commit takes out, in microseconds since 1970; undefined for one that takes out none. */
export function expiryTime(actions: readonly Action[], { log }: { readonly log: Log }): number | undefined {
  for (const action of actions) if ('txn' in action && action.txn.appId === sinceId(log)) return action.txn.version
  return undefined
}

export type Ended = {
  /** Files of which no row is left. */
  readonly whole: readonly AddFile[]
  /** Positions of the rows that are gone, in files that keep others. */
  readonly partly: ReadonlyMap<AddFile, readonly number[]>
}

/** What of a version is gone with the rows up to `revision`. Files of which that cannot be said otherwise are read, in `folder`. */
export async function endedBy(
  { lake }: Pick<Table, 'lake'>,
  files: Iterable<AddFile>,
  revision: number,
  { parquet, folder }: { readonly parquet: ParquetFiles; readonly folder: string },
): Promise<Ended> {
  const whole: AddFile[] = []
  const partly = new Map<AddFile, readonly number[]>()
  for (const file of files) {
    if (firstRevisionOf(file) > revision) continue
    if (lastRevisionOf(file) <= revision) {
      whole.push(file)
      continue
    }
    const local = await downloadFile(lake, file, folder)
    const positions = await parquet.positionsUpTo(local, revision)
    await rm(local, { force: true })
    if (positions.length > 0 && positions.length === rowsOf(file)) whole.push(file)
    else if (positions.length > 0) partly.set(file, positions)
  }
  return { whole, partly }
}
