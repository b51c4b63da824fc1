/** Whether log and lake tell the same: what the log still holds against the rows of the lake, and then the rows as they are now. */

import { BlastyError, isBlastyError } from '../../base/errors.ts'
import { readState } from '../lake/delta/state.ts'
import { archivedRevision } from '../lake/files.ts'
import { declaredFloor, revisionIn } from '../log/control.ts'
import { follow } from '../log/follower.ts'
import { readableEnd, wholeState } from '../log/log.ts'
import type { LogBatch, LogRecord } from '../log/record.ts'
import type { Row } from '../schema/schema.ts'
import type { TableParts } from '../until.ts'
import type { PartReport } from './findings.ts'
import { digester, isDeleted, type RowDigest, type RowDigests, revisionKey, revisionOfKey } from './row-digests.ts'

export type LogLook = {
  /** The revision that the rows are as of. */
  readonly revision: number
  /** The last revision that changed a row, as far as the log holds it. */
  readonly changed: number
}

export type LogOptions = {
  /** The revision that the lake holds; 0 without a lake. */
  readonly archived: number
  readonly report: PartReport
  readonly signal: AbortSignal
}

/**
 * Compares what the log holds up to `archived` with `rows`, which are the lake's, and then brings `rows` to the log's end. `seen` is an
 * empty store for what the log says.
 * @throws LOG_LOST, EPOCH_CHANGED, BACKEND_UNAVAILABLE, the signal's reason
 */
export async function compareLog(
  table: TableParts,
  rows: RowDigests,
  seen: RowDigests,
  { archived, report, signal }: LogOptions,
): Promise<LogLook> {
  const { first } = await wholeState(table.log)
  const end = await readableEnd(table.log)
  if (first > archived + 1) await refusePurged(table, first)
  if (first > archived + 1) report.differs(`the log begins at revision ${first} and the lake ends at ${archived}`)
  const floor = first > 1 ? await declaredFloor(table.log) : 0
  if (first > floor + 1) report.differs(`the log begins at revision ${first}, and nobody declared that it is purged`)
  if (end < archived) report.differs(`the log ends at revision ${end}, before the lake, at ${archived}`)
  let changed = 0
  let compared = false
  const compare = () => {
    if (!compared) compareRows(table, rows, seen, first === 1, report)
    compared = true
  }
  try {
    if (end >= first) {
      for await (const batch of follow(table.log, { after: first - 1, signal })) {
        const newest = batch.records.reduce((highest, { schema }) => Math.max(highest, schema), 0)
        if (newest > table.schemas.current.number) await table.schemas.reach(newest)
        if (batch.revision > archived) compare()
        const into = batch.revision > archived ? rows : seen
        into.together(() => {
          if (takeIn(table, batch, into, into === seen)) changed = batch.revision
        })
        if (batch.revision >= end) break
      }
    }
  } catch (error) {
    if (!isBlastyError(error, 'LOG_GAP', 'LOG_CORRUPT')) throw error
    report.differs(error.message)
  }
  signal.throwIfAborted()
  compare()
  return { revision: end, changed }
}

/** What the lake took in after it was read may be purged already: then there is nothing to compare with. */
async function refusePurged({ lake, log }: TableParts, first: number): Promise<void> {
  const state = await readState(lake)
  if (state === undefined || archivedRevision(state, { log }) + 1 < first) return
  const problem = 'it was purged behind what was read of the lake; verify again'
  throw new BlastyError('TABLE_NOT_READY', { table: log.table, reason: problem })
}

/** Takes a batch in; true when it changed a row. With `bury`, deletes leave their mark. */
function takeIn({ schemas, keyed }: TableParts, batch: LogBatch, into: RowDigests, bury: boolean): boolean {
  const digest = digester(schemas.current)
  let changed = false
  for (const record of batch.records) {
    const { operation, revision, body } = record
    if (operation === 'append' && !keyed) {
      for (const row of appendedRows(record)) {
        into.append(revision, digest(revision, schemas.codec.decode(Buffer.from(JSON.stringify(row)))))
      }
    } else if (operation === 'expire' && !keyed) {
      into.expire(revisionIn(record))
    } else if (operation === 'put') {
      const row = schemas.codec.decode(body)
      into.put(record.key ?? schemas.encodeKey(row), digest(revision, row))
    } else if (operation === 'delete') {
      const key = record.key ?? schemas.encodeKey(schemas.codec.decode(body))
      if (bury) into.bury(key, revision)
      else into.remove(key)
    } else continue
    changed = true
  }
  return changed
}

function appendedRows({ body }: LogRecord): readonly Row[] {
  const rows: unknown = JSON.parse(Buffer.from(body).toString())
  return Array.isArray(rows) ? rows : []
}

/** What the log says of each row it holds against the lake's; where the log is whole, the lake has no others. */
function compareRows(table: TableParts, lake: RowDigests, log: RowDigests, whole: boolean, report: PartReport): void {
  for (const { key, row } of log.entries()) {
    report.compared()
    const problem = difference(row, lake.get(key))
    if (problem !== undefined) report.differs(`${named(table, key)}: ${problem}`)
  }
  if (!whole) return
  for (const { key, row } of lake.entries()) {
    if (log.get(key) === undefined)
      report.differs(`${named(table, key)}: the lake has it, at revision ${row.revision}, and the log never had`)
  }
}

function difference(log: RowDigest, lake: RowDigest | undefined): string | undefined {
  if (isDeleted(log))
    return lake && `the log deleted it at revision ${log.revision}, the lake has it at ${lake.revision}`
  if (lake === undefined) return `the log has it, at revision ${log.revision}, and the lake does not`
  if (lake.revision !== log.revision) return `the log has it at ${log.revision}, the lake at ${lake.revision}`
  return lake.digest.equals(log.digest) ? undefined : `log and lake have other values at ${log.revision}`
}

/** A row for people: its key, or its revision where there are no keys. */
export function named({ keyed, schemas }: Pick<TableParts, 'keyed' | 'schemas'>, key: Buffer): string {
  return keyed ? JSON.stringify(schemas.decodeKey(key)) : `rows of revision ${revisionOfKey(key)}`
}

/** Keys whose rows were changed behind a revision, as text, for whoever compares with what goes on meanwhile. */
export async function changedSince(
  table: TableParts,
  after: number,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const keys = new Set<string>()
  const end = await readableEnd(table.log)
  if (end <= after) return keys
  for await (const batch of follow(table.log, { after, signal })) {
    for (const { operation, key, body, revision } of batch.records) {
      if (operation === 'append') keys.add(textOf(revisionKey(revision)))
      else if (operation === 'put' || operation === 'delete')
        keys.add(textOf(key ?? table.schemas.encodeKey(table.schemas.codec.decode(body))))
    }
    if (batch.revision >= end) break
  }
  signal.throwIfAborted()
  return keys
}

export const textOf = (key: Buffer): string => key.toString('latin1')
