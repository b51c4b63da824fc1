/**
 * Makes a lake anew that is lost, from what its log still holds. Where the log was purged, the rows before its beginning are taken
 * from a replica that has them all, or else they are lost: then the log goes on in another epoch, so that no replica keeps rows
 * which the lake does not have.
 */

import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { reason } from '../../backends/streams/connect.ts'
import { BlastyError } from '../../base/errors.ts'
import type { Action } from '../lake/delta/actions.ts'
import { commit } from '../lake/delta/commit.ts'
import { dataPath, logPrefix } from '../lake/delta/lake.ts'
import { creationActions } from '../lake/delta/protocol.ts'
import { addFile, appIdOf } from '../lake/files.ts'
import { LineFile } from '../lake/lines.ts'
import { uploadFile } from '../lake/objects.ts'
import { ParquetFiles } from '../lake/parquet.ts'
import { committedTag } from '../lake/versions.ts'
import { expireRows, loggedExpiry, raiseFloor } from '../log/control.ts'
import { type ChangeLog, changeLog, epochKey, wholeState } from '../log/log.ts'
import type { Row } from '../schema/schema.ts'
import type { Table } from '../table.ts'
import { archiveToEnd } from './archive-to-end.ts'
import type { ServedRows } from './verify.ts'

export type NewLakeOptions = {
  readonly table: Table
  /** The Table in another epoch. */
  readonly reopen: (epoch: number) => Table
  /** Every row at one revision or later, as a replica has them, and that revision; keyed Tables only. */
  readonly served?: { readonly revision: number; readonly rows: ServedRows }
  readonly directory: string
  readonly historySeconds: number
  readonly signal: AbortSignal
  readonly now?: () => number
}

export type NewLake = {
  readonly epoch: number
  /** The revision that the lake holds. */
  readonly archived: number
  /** Rows last changed at this revision or before are lost; 0 when none are. */
  readonly lostTo: number
}

const limits = { memory: '512MB', threads: 1 }
const maxFileBytes = 64 * 1024 * 1024
const removedAtOnce = 1000

/**
 * Removes what is left of the lake, and makes another. No archiver may be at work on it: one that knows the lake to be lost is none.
 * @throws LOG_LOST, EPOCH_CHANGED, INVALID_ARGUMENT for served rows that end before the log begins, errors of the backends
 */
export async function makeLakeAnew(options: NewLakeOptions): Promise<NewLake> {
  const { table, served, reopen, signal } = options
  const { first } = await wholeState(table.log)
  if (served !== undefined && served.revision + 1 < first) {
    const problem = `the rows are of revision ${served.revision}, the log begins at ${first}`
    throw new BlastyError('INVALID_ARGUMENT', { field: 'facade', problem })
  }
  await removeLake(table)
  let into = table
  if (served !== undefined) await begin(options, table, served.revision, await writeRows(options, served.rows))
  else if (first > 1) {
    into = reopen(await nextEpoch(table.log, first - 1))
    await begin(options, into, first - 1, [])
  }
  const archived = await archiveToEnd(into, { ...options, signal })
  const lostTo = into === table ? 0 : first - 1
  return { epoch: into.log.epoch, archived, lostTo }
}

/** The log first: without it nothing of the rest counts. */
async function removeLake({ lake }: Table): Promise<void> {
  const { objects, bucket, root } = lake
  for (const prefix of [logPrefix(lake), `${root}/`]) {
    let keys: string[] = []
    for await (const { key } of objects.list(bucket, prefix)) {
      if (keys.push(key) < removedAtOnce) continue
      await objects.remove(bucket, keys)
      keys = []
    }
    if (keys.length > 0) await objects.remove(bucket, keys)
  }
  await lake.claims?.forgetAll()
}

/** Commits the first version: a lake that holds the log up to a revision, with these files. */
async function begin(
  { historySeconds, now = Date.now }: NewLakeOptions,
  { lake, log, schemas, descriptor }: Table,
  revision: number,
  files: readonly Action[],
): Promise<void> {
  const timestamp = now()
  const creation = creationActions(schemas.current, {
    id: randomUUID(),
    createdTime: timestamp,
    name: `${descriptor.namespace}.${descriptor.name}`,
    historySeconds,
  })
  const txn = { appId: appIdOf({ log }), version: revision, lastUpdated: timestamp }
  const actions = [...creation, ...files, { txn }]
  const outcome = await commit(lake, 0, actions, { commitId: randomUUID(), operation: 'NEW LAKE', timestamp })
  if (outcome.kind === 'committed') return
  throw new BlastyError('LAKE_CORRUPT', { lake: lake.bucket, problem: 'another made it at the same time' })
}

/** Puts rows into files of the lake. When they were committed nobody knows any more: the time of the repair stands for it. */
async function writeRows(options: NewLakeOptions, served: ServedRows): Promise<Action[]> {
  const { table, directory, signal, now = Date.now } = options
  const folder = join(directory, `rows-${randomUUID()}`)
  await mkdir(folder, { recursive: true })
  const parquet = await ParquetFiles.open(folder, limits)
  const schema = table.schemas.current
  const commitTime = now() * 1000
  const actions: Action[] = []
  const source = join(folder, 'rows.ndjson')
  let lines: LineFile | undefined
  const flush = async () => {
    if (lines === undefined) return
    await lines.close()
    const local = join(folder, 'rows.parquet')
    const written = await parquet.writeRows(schema, source, local)
    const path = dataPath(randomUUID())
    const tags = { ...(await uploadFile(table.lake, path, local)), [committedTag]: String(commitTime) }
    actions.push({ add: addFile(path, written, tags, now(), false) })
    await rm(source)
    lines = undefined
  }
  try {
    for await (const page of served) {
      signal.throwIfAborted()
      for (const { row, revision } of page) {
        lines ??= await LineFile.open(source)
        await lines.write(lineOf(row, revision, commitTime))
      }
      if (lines !== undefined && lines.bytes >= maxFileBytes) await flush()
    }
    await flush()
    return actions
  } finally {
    await lines?.discard()
    parquet.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Each row stands with its own batch: its revision is the end of one as far as the lake can still tell. */
function lineOf(row: Row, revision: number, commitTime: number): string {
  const place = { _revision: revision, _commit_time: commitTime, _blasty_batch_end: revision }
  return `${JSON.stringify({ ...place, ...row })}\n`
}

/**
 * Has the stream say that another epoch begins, and take only what is written in it; what it holds stays. Conditional writers find
 * none of that on the subjects of the new epoch, so they are told to look rows up, as after a purge.
 */
async function nextEpoch(log: ChangeLog, floor: number): Promise<number> {
  const next = changeLog({ ...log, epoch: log.epoch + 1 }, log.streams)
  await update(next)
  await raiseFloor(next, floor)
  const expired = await loggedExpiry(log)
  if (expired > 0) await expireRows(next, expired)
  return next.epoch
}

async function update({ stream, streams, subjects, epoch }: ChangeLog): Promise<void> {
  const { admin } = streams
  try {
    const { config } = await admin.streams.info(stream)
    const metadata = { ...config.metadata, [epochKey]: String(epoch) }
    await admin.streams.update(stream, { ...config, subjects: [subjects.all], metadata })
  } catch (error) {
    const details = { backend: 'streams server', problem: reason(error) }
    throw new BlastyError('BACKEND_UNAVAILABLE', details, { cause: error })
  }
}
