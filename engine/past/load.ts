/** Fills the columns of one Table with its rows as of a revision: the last snapshot of the lake up to it, then the changes. */

import { BlastyError, isBlastyError } from '../../base/errors.ts'
import { expired } from '../lake/as-of.ts'
import { readState } from '../lake/delta/state.ts'
import { type LakeSnapshot, openSnapshotAt } from '../lake/snapshot.ts'
import { logState } from '../log/log.ts'
import { ColumnTable } from '../replica/column-table.ts'
import type { SqlDatabase } from '../replica/sql-database.ts'
import type { Table } from '../table.ts'
import { type TableParts, workUntil } from '../until.ts'

/** A Table and the revision at which it is wanted. */
export type PastTable = { readonly table: Table; readonly revision: number }

export type LoadOptions = {
  /** Folder for files on their way. */
  readonly scratch: string
  readonly signal: AbortSignal
  /** Called now and then; what it throws ends the loading. */
  readonly check: () => Promise<void>
}

const maxStagedBytes = 32 * 1024 * 1024
/** How often loading is begun in case that the lake is cleaned meanwhile. */
const attempts = 2

/**
 * Loads the Table into the instance under its name, with the columns of the schema in force. A batch that ends behind the
 * revision is left out as a whole.
 * @throws REVISION_NOT_REACHED, REVISION_EXPIRED, LAKE_CORRUPT, what `check` throws, the signal's reason
 */
export function loadPast(past: PastTable, sql: SqlDatabase, options: LoadOptions): Promise<void> {
  return workUntil(past.table, options.signal, stored => keepLoading(past, stored, sql, options))
}

async function keepLoading(past: PastTable, stored: TableParts, sql: SqlDatabase, options: LoadOptions): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryLoading(past, stored, sql, options)
    } catch (error) {
      options.signal.throwIfAborted()
      if (!isBlastyError(error, 'LAKE_CORRUPT', 'LAKE_VERSION_EXPIRED', 'CURSOR_EXPIRED')) throw error
      if (attempt < attempts) continue
      const newest = isBlastyError(error, 'LAKE_CORRUPT') ? undefined : await readState(stored.lake)
      throw newest === undefined ? error : await expired(stored, `revision ${past.revision}`, newest)
    }
  }
}

/** Puts the Table into the instance without its rows, at its revision: enough to plan a statement. */
export async function declarePast({ table, revision }: PastTable, sql: SqlDatabase): Promise<void> {
  const { name, uid, epoch } = table.descriptor
  const connection = await sql.connect()
  try {
    const columns = await ColumnTable.open(connection, { name, uid, epoch }, table.schemas)
    columns.stage({ revision, commitTime: 0, schema: 0, changes: [], bytes: 0 })
    await columns.tick()
  } finally {
    connection.closeSync()
  }
}

async function tryLoading(
  { table, revision }: PastTable,
  stored: TableParts,
  sql: SqlDatabase,
  options: LoadOptions,
): Promise<void> {
  const { scratch, signal, check } = options
  const { name, uid, epoch } = table.descriptor
  const replica = await table.reached(revision, 'rows', signal)
  const connection = await sql.connect()
  let snapshot: LakeSnapshot | undefined
  try {
    const columns = await ColumnTable.open(connection, { name, uid, epoch }, stored.schemas)
    // Open to the end: its lease keeps the changes behind it as well.
    snapshot = await openSnapshotAt(stored, revision, scratch)
    if (snapshot !== undefined) {
      const { files: all } = snapshot
      const files = async function* () {
        for await (const file of all()) {
          signal.throwIfAborted()
          yield file
          await check()
        }
      }
      await columns.load({ ...snapshot, files }, table.schemas.current)
    }
    const loaded = columns.revision
    for await (const batch of replica.source.changes(loaded, signal, revision)) {
      columns.stage(batch)
      if (columns.stagedBytes < maxStagedBytes) continue
      await columns.tick()
      await check()
    }
    signal.throwIfAborted()
    // Changes that came from the lake, past which the log was purged meanwhile, do not say since when rows are gone.
    if (replica.expired > 0 && loaded < revision && (await logState(table.log)).first > loaded + 1)
      throw new BlastyError('CURSOR_EXPIRED', { revision: loaded, table: table.log.table })
    if (columns.pending) await columns.tick()
  } finally {
    await snapshot?.close()
    connection.closeSync()
  }
}
