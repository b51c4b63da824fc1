/** The changes of a Table as its lake remembers them: batches that the log no longer holds. */

import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import type { LogRecord } from '../log/record.ts'
import { appendedBatch, type Change, type ChangeBatch, StoredRow } from '../replica/change.ts'
import type { Table } from '../table.ts'
import type { AddFile, Cdc } from './delta/actions.ts'
import { readVector } from './delta/deletion-vector.ts'
import { commitsBetween } from './delta/history.ts'
import { Lease } from './delta/leases.ts'
import { type LakeState, readState } from './delta/state.ts'
import { expiredRevision } from './expiry.ts'
import { archivedRevision, firstRevisionOf, schemaNumberOf } from './files.ts'
import { downloadFile, type StoredFile } from './objects.ts'
import { type InsertedRow, type LakeChange, ParquetFiles } from './parquet.ts'
import { firstVersionBeyond, markAt, revisionMark } from './versions.ts'

const limits = { memory: '256MB', threads: 1 }

type Archived = Pick<Table, 'keyed' | 'lake' | 'log' | 'schemas'>

/**
 * Whole batches behind `after`, up to what the lake holds; the last may be one without changes that only says how far that is.
 * `scratch` is a folder for files on their way.
 * @throws CURSOR_EXPIRED when the changes are older than what the lake keeps, or appended rows are gone; LAKE_CORRUPT
 */
export async function* archivedChanges(table: Archived, after: number, scratch: string): AsyncGenerator<ChangeBatch> {
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
  table: Archived,
  after: number,
  folder: string,
  parquet: ParquetFiles,
): AsyncGenerator<ChangeBatch> {
  const state = await stateOf(table)
  const archived = state === undefined ? 0 : archivedRevision(state, table)
  if (state === undefined || archived <= after) return
  let lease: Lease | undefined
  try {
    const from = await versionBehind(table, after, state.version)
    // Moved on with the reading: the one whom the changes are for may be a client that stands still, and then it ends.
    lease = await Lease.take(table.lake, from, { holder: 'changes', moving: true })
    yield* changesIn(table, lease, { after, from, newest: state.version }, folder, parquet)
  } catch (error) {
    throw isBlastyError(error, 'LAKE_VERSION_EXPIRED') ? expired(table, after, error) : error
  } finally {
    await lease?.release()
  }
  yield endOf(state, archived)
}

type Versions = { readonly after: number; readonly from: number; readonly newest: number }

async function* changesIn(
  table: Archived,
  lease: Lease,
  versions: Versions,
  folder: string,
  parquet: ParquetFiles,
): AsyncGenerator<ChangeBatch> {
  const { after } = versions
  for await (const { version, file, inserts } of changeFiles(table, versions)) {
    await lease.moveTo(version)
    const local = await downloadFile(table.lake, file, folder).catch(async error => {
      throw await lease.explain(error, version)
    })
    let lines: LakeChange[] = []
    const parts = inserts
      ? insertedLines(parquet.readInserted(table.schemas.current, { file: local, deleted: [] }, after))
      : parquet.readChanges(table.schemas.current, local, after)
    for await (const part of parts) {
      await lease.moveTo(version)
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

/** The newest state; what was written under a schema that is not known here yet would be read without its columns. */
async function stateOf(table: Archived): Promise<LakeState | undefined> {
  const state = await readState(table.lake)
  if (state !== undefined) await table.schemas.reach(schemaNumberOf(state))
  return state
}

/** Batches of control records are not in the lake: this says that there is nothing more up to a revision, under which schema. */
const endOf = (state: LakeState, revision: number): ChangeBatch => ({
  revision,
  commitTime: 0,
  schema: schemaNumberOf(state),
  changes: [],
  bytes: 0,
})

function keyedBatch({ schemas }: Archived, lines: readonly LakeChange[]): ChangeBatch {
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
  table: Archived,
  after: number,
  folder: string,
  parquet: ParquetFiles,
): AsyncGenerator<ChangeBatch> {
  for (let at = after, version = -1; ; ) {
    const state = await stateOf(table)
    const archived = state === undefined ? 0 : archivedRevision(state, table)
    if (state === undefined || archived <= at) return
    const gone = expiredRevision(state, table)
    // What was appended behind `at` and is too old by now nobody can tell any more.
    if (gone > at) throw expired(table, at)
    try {
      for await (const batch of appendedIn(table, state, at, folder, parquet)) {
        yield batch
        at = batch.revision
      }
      return yield { ...endOf(state, archived), ...(gone > 0 && { expired: gone }) }
    } catch (error) {
      // Files of a state that is long past are removed: the rows are in others now.
      if (!isBlastyError(error, 'LAKE_CORRUPT', 'LAKE_VERSION_EXPIRED') || state.version === version) throw error
      version = state.version
    }
  }
}

async function* appendedIn(
  table: Archived,
  state: LakeState,
  after: number,
  folder: string,
  parquet: ParquetFiles,
): AsyncGenerator<ChangeBatch> {
  // Each file holds a range of revisions of its own.
  const files = [...state.files.values()].sort((a, b) => firstRevisionOf(a) - firstRevisionOf(b))
  const useful = files.filter((_, index) => {
    const next = files[index + 1]
    return next === undefined || firstRevisionOf(next) > after
  })
  let newest = 0
  for (const file of useful) {
    if (files.length > 1 && firstRevisionOf(file) === 0) throw unsorted(table, file)
    const local = await downloadFile(table.lake, file, folder)
    let rows: InsertedRow[] = []
    const deleted = file.deletionVector === undefined ? [] : await readVector(table.lake, file.deletionVector)
    for await (const part of parquet.readInserted(table.schemas.current, { file: local, deleted }, after)) {
      for (const row of part) {
        if (row.revision < newest) throw unsorted(table, file)
        newest = row.revision
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

const unsorted = ({ log }: Archived, { path }: AddFile) =>
  new BlastyError('LAKE_UNSUPPORTED', {
    lake: log.table,
    problem: `${path} of another engine has no place in the history`,
  })

function batchOfRows({ schemas }: Archived, rows: readonly InsertedRow[]): ChangeBatch {
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
      body: Buffer.from(`[${some.join(',')}]`),
    }),
  )
  const { batchEnd: revision = 0, commitTime = 0 } = rows[0] ?? {}
  return appendedBatch({ revision, commitTime, records })
}

type ChangeFile = {
  readonly version: number
  readonly file: StoredFile
  /** It holds rows, each of which was inserted, and no changes. */
  readonly inserts: boolean
}

/** The files with changes behind `after`, in the order of their versions. */
async function* changeFiles(table: Archived, { after, from, newest }: Versions): AsyncGenerator<ChangeFile> {
  for await (const { version, actions } of commitsBetween(table.lake, from, newest)) {
    // A lake that was made anew begins with rows of which nobody can tell any more how they came about.
    if (version === 0 && (revisionMark(table)(actions) ?? 0) > after)
      throw new BlastyError('CURSOR_EXPIRED', { revision: after, table: table.log.table })
    // Without a change file, what a version adds is what it inserted (Delta protocol, Change Data Files).
    const files = actions.flatMap(action =>
      'cdc' in action ? [{ version, file: storedFile(action.cdc), inserts: false }] : [],
    )
    const added = actions.flatMap(action =>
      'add' in action && action.add.dataChange ? [{ version, file: storedFile(action.add), inserts: true }] : [],
    )
    yield* files.length > 0 ? files : added
  }
}

const expired = ({ log }: Archived, revision: number, cause?: unknown) =>
  new BlastyError('CURSOR_EXPIRED', { revision, table: log.table }, { cause })

/**
 * The first version that holds a change behind `after`: the commits say how far each leads.
 * @throws CURSOR_EXPIRED, LAKE_VERSION_EXPIRED when a version before it that is no longer kept may have held some too
 */
async function versionBehind(table: Archived, after: number, newest: number): Promise<number> {
  const mark = revisionMark(table)
  const first = await firstVersionBeyond(table.lake, mark, after, newest - 1)
  if (first === 0) return 0
  const before = (await markAt(table.lake, mark, first - 1)) ?? (await reachedIn(table, first - 1))
  if (before > after) throw expired(table, after)
  return first
}

/** How far a version leads whose commit is kept and those before it are not, from the whole state. */
async function reachedIn(table: Archived, version: number): Promise<number> {
  const state = await readState(table.lake, version)
  return state === undefined ? 0 : archivedRevision(state, table)
}

const storedFile = ({ path, size, tags }: Cdc | AddFile): StoredFile =>
  tags === undefined ? { path, size } : { path, size, tags }
