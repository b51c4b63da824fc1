/** The changes of a Table as its lake remembers them: batches that the log no longer holds. */

import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import type { LogRecord } from '../log/record.ts'
import { appendedBatch, type Change, type ChangeBatch, StoredRow } from '../replica/change.ts'
import type { Table } from '../table.ts'
import type { Action, AddFile, Cdc } from './delta/actions.ts'
import { commitsBetween, readCommit } from './delta/history.ts'
import { readState } from './delta/state.ts'
import { appIdOf, archivedRevision, firstRevisionOf } from './files.ts'
import { downloadFile, type StoredFile } from './objects.ts'
import { type InsertedRow, type LakeChange, ParquetFiles } from './parquet.ts'

const limits = { memory: '256MB', threads: 1 }

/**
 * Whole batches behind `after`, up to what the lake holds. `scratch` is a folder for files on their way.
 * @throws CURSOR_EXPIRED when the changes are older than what the lake keeps; LAKE_CORRUPT
 */
export async function* archivedChanges(table: Table, after: number, scratch: string): AsyncGenerator<ChangeBatch> {
  const folder = join(scratch, `history-${randomUUID()}`)
  await mkdir(folder, { recursive: true })
  const parquet = await ParquetFiles.open(folder, limits)
  try {
    yield* table.keyed ? keyedChanges(table, after, folder, parquet) : appendedChanges(table, after, folder, parquet)
  } finally {
    parquet.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function* keyedChanges(
  table: Table,
  after: number,
  folder: string,
  parquet: ParquetFiles,
): AsyncGenerator<ChangeBatch> {
  for await (const { file, inserts } of changeFiles(table, after)) {
    const local = await downloadFile(table.lake, file, folder)
    let lines: LakeChange[] = []
    const parts = inserts
      ? insertedLines(parquet.readInserted(table.schemas.current, local, after))
      : parquet.readChanges(table.schemas.current, local, after)
    for await (const part of parts) {
      for (const line of part) {
        if (lines[0] !== undefined && lines[0].batchEnd !== line.batchEnd) {
          yield keyedBatch(table, lines)
          lines = []
        }
        lines.push(line)
      }
    }
    if (lines.length > 0) yield keyedBatch(table, lines)
    await rm(local)
  }
}

/** Rows that were inserted as the lines that a change file would have. */
async function* insertedLines(parts: AsyncIterable<readonly InsertedRow[]>): AsyncGenerator<LakeChange[]> {
  for await (const rows of parts)
    yield rows.map(row => ({ ...row, type: 'insert', change: row.revision, batchTime: row.commitTime }))
}

function keyedBatch({ schemas }: Table, lines: readonly LakeChange[]): ChangeBatch {
  const changes: Change[] = []
  let old: StoredRow | undefined
  let bytes = 0
  for (const { type, revision, commitTime, body: text } of lines) {
    const body = Buffer.from(text)
    const row = new StoredRow(revision, commitTime, body)
    bytes += body.length
    if (type === 'update_preimage') {
      old = row
      continue
    }
    const key = schemas.encodeKey(schemas.codec.decode(body))
    changes.push(type === 'delete' ? { key, old: row, new: undefined } : { key, old, new: row })
    old = undefined
  }
  const { batchEnd: revision = 0, batchTime: commitTime = 0 } = lines[0] ?? {}
  return { revision, commitTime, schema: schemas.current.number, changes, bytes }
}

async function* appendedChanges(
  table: Table,
  after: number,
  folder: string,
  parquet: ParquetFiles,
): AsyncGenerator<ChangeBatch> {
  const state = await readState(table.lake)
  // Each file holds a range of revisions of its own.
  const files = [...(state?.files.values() ?? [])].sort((a, b) => firstRevisionOf(a) - firstRevisionOf(b))
  const useful = files.filter((_, index) => {
    const next = files[index + 1]
    return next === undefined || firstRevisionOf(next) > after
  })
  for (const file of useful) {
    const local = await downloadFile(table.lake, file, folder)
    let rows: InsertedRow[] = []
    for await (const part of parquet.readInserted(table.schemas.current, local, after)) {
      for (const row of part) {
        if (rows[0] !== undefined && rows[0].batchEnd !== row.batchEnd) {
          yield batchOfRows(table, rows)
          rows = []
        }
        rows.push(row)
      }
    }
    if (rows.length > 0) yield batchOfRows(table, rows)
    await rm(local)
  }
}

function batchOfRows({ schemas }: Table, rows: readonly InsertedRow[]): ChangeBatch {
  const bodies = new Map<number, string[]>()
  for (const { revision, body } of rows) {
    const some = bodies.get(revision)
    if (some === undefined) bodies.set(revision, [body])
    else some.push(body)
  }
  const records = [...bodies].map(
    ([revision, some]): LogRecord => ({
      schema: schemas.current.number,
      operation: 'append',
      principal: '',
      revision,
      key: undefined,
      body: Buffer.from(`[${some.join(',\n')}]`),
    }),
  )
  const { batchEnd: revision = 0, commitTime = 0 } = rows[0] ?? {}
  return appendedBatch({ revision, commitTime, records })
}

type ChangeFile = {
  readonly file: StoredFile
  /** It holds rows, each of which was inserted, and no changes. */
  readonly inserts: boolean
}

/** The files with changes behind `after`, in the order of their versions. */
async function* changeFiles(table: Table, after: number): AsyncGenerator<ChangeFile> {
  const state = await readState(table.lake)
  if (state === undefined || archivedRevision(state, table) <= after) return
  try {
    const from = await versionBehind(table, after, state.version)
    for await (const { actions } of commitsBetween(table.lake, from, state.version)) {
      // Without a change file, what a version adds is what it inserted (Delta protocol, Change Data Files).
      const files = actions.flatMap(action =>
        'cdc' in action ? [{ file: storedFile(action.cdc), inserts: false }] : [],
      )
      const added = actions.flatMap(action =>
        'add' in action && action.add.dataChange ? [{ file: storedFile(action.add), inserts: true }] : [],
      )
      yield* files.length > 0 ? files : added
    }
  } catch (error) {
    if (!isBlastyError(error, 'LAKE_VERSION_EXPIRED')) throw error
    throw new BlastyError('CURSOR_EXPIRED', { revision: after, table: table.log.table }, { cause: error })
  }
}

/** The first version that holds a change behind `after`: the commits say how far each leads. */
async function versionBehind(table: Table, after: number, newest: number): Promise<number> {
  let low = 0
  let high = newest
  while (low < high) {
    const middle = (low + high) >> 1
    const reached = await reachedAt(table, middle, low)
    // What is cleaned up lies below what is kept.
    if (reached === undefined || reached <= after) low = middle + 1
    else high = middle
  }
  return low
}

/** The revision that the lake held at a version; undefined when nobody can say any more. Some commits move no revision. */
async function reachedAt(table: Table, version: number, lowest: number): Promise<number | undefined> {
  for (let at = version; at >= lowest; at--) {
    const actions = await readCommit(table.lake, at)
    if (actions === undefined) return undefined
    const txn = revisionIn(actions, appIdOf(table))
    if (txn !== undefined) return txn
    if (at === 0) return 0
  }
  return undefined
}

function revisionIn(actions: readonly Action[], appId: string): number | undefined {
  for (const action of actions) if ('txn' in action && action.txn.appId === appId) return action.txn.version
  return undefined
}

const storedFile = ({ path, size, tags }: Cdc | AddFile): StoredFile =>
  tags === undefined ? { path, size } : { path, size, tags }
