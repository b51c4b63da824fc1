/** Which blobs the rows of a Table name: now, or in any version of them that can still be read. */

import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { commitsBetween } from '../lake/delta/history.ts'
import { firstWhole, listLog } from '../lake/delta/lake.ts'
import { Lease } from '../lake/delta/leases.ts'
import { type LakeState, readState } from '../lake/delta/state.ts'
import { archivedRevision } from '../lake/files.ts'
import { downloadFile } from '../lake/objects.ts'
import { ParquetFiles } from '../lake/parquet.ts'
import { logState } from '../log/log.ts'
import type { StoredRow } from '../replica/change.ts'
import type { Row } from '../schema/schema.ts'
import type { Table } from '../table.ts'
import { blobColumns, blobsOf } from './check.ts'

const limits = { memory: '256MB', threads: 1 }
/** Rows between two turns of the event loop. */
const rowsATurn = 500

export type NamedOptions = {
  /** Every version counts that was current at this revision or since, whether the lake keeps history or not. */
  readonly since: number
  /** Folder for files on their way. */
  readonly scratch: string
  readonly signal: AbortSignal
}

/**
 * SHA-256 of each blob that is named by a row at the log's end, by one that was current at `since` or later, or by a version that the
 * lake keeps; many several times.
 * @throws CURSOR_EXPIRED when what came behind `since` is not held any more; LAKE_CORRUPT; the signal's reason. Without an error it is whole
 */
export async function* namedBlobs(table: Table, options: NamedOptions): AsyncGenerator<string> {
  const { since, signal } = options
  // In this order: what the lake does not hold yet is read from the log, up to an end that lies behind it.
  const state = await readState(table.lake)
  const archived = state === undefined ? 0 : archivedRevision(state, table)
  const { last } = await logState(table.log)
  const replica = await table.reached(last, 'rows', signal)
  // Only now: a schema that brought the first blobs may have come by the log.
  const columns = blobColumns(table.schemas.current)
  if (columns.length === 0) return
  const snapshot = replica.snapshot()
  let rows = 0
  const names = (row: Row) => blobsOf(row, columns).map(({ blob }) => blob.sha256)
  const stored = (row: StoredRow | undefined) => (row === undefined ? [] : names(row.row(table.schemas.codec)))
  try {
    for (const { row } of snapshot.rows()) {
      yield* stored(row)
      if (++rows % rowsATurn === 0) await turn(undefined, { signal })
    }
  } finally {
    snapshot.close()
  }
  for await (const { changes } of replica.source.changes(Math.min(since, archived, last), signal, last)) {
    for (const { old, new: next } of changes) yield* [...stored(old), ...stored(next)]
  }
  if (state !== undefined) {
    for await (const row of keptRows(table, state, options.scratch)) {
      signal.throwIfAborted()
      yield* names(row)
    }
  }
  // Changes that are no longer wanted end without a word, and half of the names must not pass for all.
  signal.throwIfAborted()
}

/** The rows before and after each change in the versions that the lake keeps. */
async function* keptRows(table: Table, { version }: LakeState, scratch: string): AsyncGenerator<Row> {
  const { lake, schemas } = table
  const folder = join(scratch, `named-${randomUUID()}`)
  await mkdir(folder, { recursive: true })
  const parquet = await ParquetFiles.open(folder, limits)
  let lease: Lease | undefined
  try {
    const from = firstWhole(await listLog(lake)) ?? version
    lease = await Lease.take(lake, from, { holder: 'blobs' })
    for await (const { actions } of commitsBetween(lake, from, version)) {
      for (const action of actions) {
        if (!('cdc' in action)) continue
        const { path, size, tags } = action.cdc
        const local = await downloadFile(lake, { path, size, ...(tags && { tags }) }, folder)
        for await (const lines of parquet.readChanges(schemas.current, local, 0)) {
          for (const { body } of lines) yield schemas.codec.decode(Buffer.from(body))
        }
        await rm(local)
      }
    }
  } finally {
    parquet.close()
    await lease?.release()
    await rm(folder, { recursive: true, force: true })
  }
}
