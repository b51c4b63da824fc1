/** What the tests of faults share: a log that is archived again and again, and whether all of it is in a lake once. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ObjectStore } from '../../backends/object-store/store.ts'
import type { ChangeBatch, StoredRow } from '../replica/change.ts'
import type { TableReplica } from '../replica/replica.ts'
import { readSchema } from '../schema/documents.ts'
import type { Row, TableSchema } from '../schema/schema.ts'
import { Schemas } from '../schema/schemas.ts'
import type { Table } from '../table.ts'
import { patience } from '../testing.ts'
import { type ArchiverOptions, archive } from './archiver.ts'
import { commitsBetween } from './delta/history.ts'
import { readState } from './delta/state.ts'
import { expiredRevision } from './expiry.ts'
import { appIdOf, liveRowsOf } from './files.ts'
import { archivedChanges } from './history.ts'
import type { TestLake } from './testing.ts'

/** A log that was written once, to be archived into many lakes. */
export type Recorded = {
  readonly lake: TestLake
  readonly table: Table
  readonly schema: TableSchema
  /** Revisions that end a window; the last is the end of the log. */
  readonly windows: readonly number[]
  readonly batches: readonly ChangeBatch[]
  readonly end: number
}

export async function recorded(
  lake: TestLake,
  schema: TableSchema,
  table: Table,
  windows: readonly number[],
): Promise<Recorded> {
  const end = windows.at(-1) ?? 0
  const { source } = await table.reached(end, 'rows', patience())
  const batches: ChangeBatch[] = []
  for await (const batch of source.changes(0, patience(), end)) batches.push(batch)
  return { lake, table, schema, windows, batches, end }
}

/** The Table with a lake of another place or store, and with the schema it had at first. */
export function withLake(from: Recorded, root: string, objects: ObjectStore = from.lake.objects): Table {
  const { table, schema } = from
  const { bucket } = table.lake
  const lake = { objects, bucket, root }
  // The schemas lie in the bucket beside the lake and not in it: their reading is not what is struck.
  const schemas = new Schemas(table.log.table, schema, number => readSchema(from.lake.objects, bucket, number))
  return withParts(table, { lake, schemas })
}

/** The Table with some of its parts replaced. */
export function withParts(table: Table, parts: Readonly<Record<string, unknown>>): Table {
  return new Proxy(table, {
    get(target, name) {
      if (typeof name === 'string' && Object.hasOwn(parts, name)) return parts[name]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** What is between two windows: the commit of the first, or so many milliseconds in which it need not come about. */
export type Pace = 'committed' | number

/** The same Table, which hands on the batches of a window at its pace. `onAhead`: one whose predecessor is not in the lake. */
function paced(
  table: Table,
  windows: readonly number[],
  archived: () => number,
  pace: Pace,
  onAhead: () => void,
): Table {
  async function* changes(
    from: Pick<TableReplica['source'], 'changes'>,
    after: number,
    signal: AbortSignal,
  ): AsyncGenerator<ChangeBatch> {
    let entered = windows.findLast(end => end <= after) ?? 0
    for await (const batch of from.changes(after, signal)) {
      const before = windows.findLast(end => end < batch.revision) ?? 0
      if (before > entered && pace !== 'committed') await sleep(pace)
      while (pace === 'committed' && archived() < before && !signal.aborted) await sleep(2)
      if (signal.aborted) return
      if (archived() < before) onAhead()
      entered = before
      yield batch
    }
  }
  const reached = async (...args: Parameters<Table['reached']>) => {
    const { source } = await table.reached(...args)
    return { source: { changes: (after: number, signal: AbortSignal) => changes(source, after, signal) } }
  }
  const read = { changes: (after: number, signal: AbortSignal) => table.appended(after, signal) }
  const appended = (after: number, signal: AbortSignal) => changes(read, after, signal)
  return withParts(table, { reached, appended })
}

export type Archiving = {
  /** Resolves when the lake holds the log's end. */
  readonly done: Promise<void>
  readonly archived: () => number
  readonly failures: readonly unknown[]
  /** How many batches were read while the window before was not in the lake. */
  readonly ahead: () => number
  readonly stop: () => Promise<void>
}

/** Archives the log, window by window, with what comes along: compaction, checkpoints. */
export function archiving(
  from: Recorded,
  table: Table,
  directory: string,
  options: Partial<ArchiverOptions> & { readonly until?: number; readonly pace?: Pace } = {},
): Archiving {
  const { until = from.end, pace = 'committed', ...more } = options
  const stop = new AbortController()
  const failures: unknown[] = []
  let archived = 0
  let ahead = 0
  let reach = () => {}
  const done = new Promise<void>((resolve, reject) => {
    reach = resolve
    patience().addEventListener('abort', () =>
      reject(new Error(`the lake came to ${archived} of ${until}: ${failures.join()}`)),
    )
  })
  done.catch(() => {})
  const ended = archive({
    table: paced(
      table,
      from.windows,
      () => archived,
      pace,
      () => ahead++,
    ),
    directory,
    commitWindowMillis: 5,
    historySeconds: 3600,
    retentionSeconds: 3600,
    checkpointVersions: 3,
    // Nothing is purged: the log is archived again.
    purgeMillis: Number.POSITIVE_INFINITY,
    signal: stop.signal,
    onProgress: progress => {
      archived = progress.revision
      if (archived >= until) reach()
    },
    onFailure: error => failures.push(error),
    ...more,
  })
  ended.catch(() => {})
  return {
    done,
    archived: () => archived,
    failures,
    ahead: () => ahead,
    stop: async () => {
      stop.abort()
      await ended.catch(() => {})
    },
  }
}

/** Copies what a process that dies leaves of its cache. */
export function copyCache(from: string, to: string): void {
  const places = join(from, 'places', 'data.mdb')
  if (existsSync(places)) cpSync(places, join(to, 'places', 'data.mdb'))
}

type Told = readonly [revision: number, changes: readonly unknown[]]

function toldBatch({ revision, changes }: ChangeBatch, decode: (row: StoredRow) => Row): Told {
  const shown = (row: StoredRow | undefined) => row && { revision: row.revision, row: decode(row) }
  return [revision, changes.map(({ key, old, new: next }) => [key.toString('hex'), shown(old), shown(next)])]
}

/** Every change once, every row as the log left it, and a lake in which all that is said of it is so. */
export async function assertArchived(from: Recorded, table: Table): Promise<void> {
  const { lake, end } = from
  const newest = from.batches.reduce((highest, { schema }) => Math.max(highest, schema), from.schema.number)
  await table.schemas.reach(newest)
  const { codec } = table.schemas
  const state = await readState(table.lake)
  assert.ok(state)
  assert.equal(state.txns.get(appIdOf(table))?.version, end)
  const gone = Math.max(0, ...from.batches.map(({ expired }) => expired ?? 0))
  assert.equal(expiredRevision(state, table), gone)
  assert.equal(state.txns.size, gone === 0 ? 1 : 3)
  const decode = (row: StoredRow) => row.row(codec)
  const expected = from.batches
    .filter(({ changes, revision }) => changes.length > 0 && revision > gone)
    .map(batch => toldBatch(batch, decode))
  const told: Told[] = []
  const scratch = join(lake.folder, `scratch-${randomUUID()}`)
  for await (const batch of archivedChanges(table, gone, scratch))
    if (batch.changes.length > 0) told.push(toldBatch(batch, decode))
  assert.deepEqual(told, expected)
  const { rows, revisions } = await lake.rows(table)
  const live = new Map<string, readonly [number, Row]>()
  let appended = 0
  for (const { changes } of from.batches) {
    for (const { key, new: next } of changes) {
      const name = table.keyed ? key.toString('hex') : String(appended++).padStart(9, '0')
      if (next === undefined) live.delete(name)
      else live.set(name, [next.revision, decode(next)])
    }
  }
  const inOrder = [...live]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, row]) => row)
    .filter(([revision]) => revision > gone)
  assert.deepEqual(
    rows.map((row, index) => [revisions[index], row]),
    inOrder,
  )
  assert.equal(
    [...state.files.values()].reduce((sum, file) => sum + liveRowsOf(file), 0),
    inOrder.length,
  )
  let before = 0
  for await (const { actions } of commitsBetween(table.lake, 0, state.version)) {
    for (const action of actions) {
      if (!('commitInfo' in action)) continue
      assert.ok((action.commitInfo.timestamp ?? 0) > before, 'time goes on')
      before = action.commitInfo.timestamp ?? 0
    }
  }
}
