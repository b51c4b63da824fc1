/** One process's copy of a Table: rows by key, columns for SQL, and the changes as they come. Disposable; made from the log. */

import { BlastyError, isBlastyError } from '../../base/errors.ts'
import { loggedExpiry } from '../log/control.ts'
import { follow } from '../log/follower.ts'
import { type ChangeLog, logState, readableEnd } from '../log/log.ts'
import { erases } from '../log/record.ts'
import type { Schemas } from '../schema/schemas.ts'
import { appendedBatch, type ChangeBatch, type StoredRow } from './change.ts'
import { ColumnFeed } from './column-feed.ts'
import { type Recovery, recoverRows } from './recovery.ts'
import { openRowStore, type RowSnapshot, type RowStore } from './row-store.ts'
import { ChangeSource } from './source.ts'
import type { SqlDatabase } from './sql-database.ts'

export type ReplicaOptions = {
  readonly log: ChangeLog
  readonly schemas: Schemas
  /** Name of the Table in SQL. */
  readonly name: string
  /** Folder for the rows; removed when it belongs to another Table or epoch. */
  readonly directory: string
  /** The SQL instance of the Table's namespace; without one (as in a worker) there are no columns. */
  readonly sql?: SqlDatabase
  /** Where to have what the log no longer holds; without it the log must be whole. */
  readonly recovery?: Recovery
  /** Told when the replica can no longer follow; it must be closed and opened anew. */
  readonly onFailure: (error: unknown) => void
  /** Told when rows are erased, or may have been while nobody looked: what was made of them elsewhere must not be used any more. */
  readonly onErased?: () => void
  /** How far the lake is known to be. */
  readonly archived?: number
}

const pageBytes = 1024 * 1024
/** Size on disk up to which changes are kept that the lake has too. */
const maxRingBytes = 256 * 1024 * 1024

export class TableReplica {
  readonly source: ChangeSource
  /** Where the log ended when the replica was opened: before that is reached, it shows an older state than others did. */
  readonly openedAt: number
  readonly #table: string
  readonly #rows: RowStore | undefined
  readonly #stop: AbortController
  readonly #following: Promise<void>
  readonly #options: ReplicaOptions
  #forgotten = false
  #archived: number
  #columns: ColumnFeed | undefined
  #expired: number

  private constructor(
    rows: RowStore | undefined,
    source: ChangeSource,
    { openedAt, expired }: { readonly openedAt: number; readonly expired: number },
    options: ReplicaOptions,
  ) {
    this.openedAt = openedAt
    this.#expired = expired
    this.#options = options
    this.#archived = options.archived ?? 0
    this.#table = options.log.table
    this.#rows = rows
    this.source = source
    this.#stop = new AbortController()
    this.#following = this.#follow(options)
  }

  static async open(options: ReplicaOptions): Promise<TableReplica> {
    const { log, schemas, directory, name, sql } = options
    const keyed = schemas.current.primaryKey.length > 0
    const { recovery } = options
    const last = await readableEnd(log)
    const rows = keyed ? openRowStore(directory, { tableUid: log.tableUid, epoch: log.epoch }, log.table) : undefined
    if (rows !== undefined && (await recoveredRows(rows, options))) {
      options.onErased?.()
      sql?.renew().catch(() => {}) // Who connects is told.
    }
    const source = rows
      ? new ChangeSource(rows.revision(), (after, until, signal) =>
          keptChanges(log.table, rows, after, until, signal, recovery),
        )
      : new ChangeSource(last, (after, until, signal) => loggedChanges(log, after, until, signal, recovery))
    const expired = rows === undefined ? await expiredBefore(log, recovery) : 0
    const replica = new TableReplica(rows, source, { openedAt: last, expired }, options)
    if (sql !== undefined) {
      const identity = { name, uid: log.tableUid, epoch: log.epoch }
      try {
        const { onFailure } = options
        const base = async () => rows?.base() ?? (await logState(log)).first - 1
        const load = { base, ...(recovery === undefined ? {} : { snapshot: recovery.snapshot }) }
        replica.#columns = await ColumnFeed.start({ sql, identity, schemas, source, load, onFailure })
      } catch (error) {
        await replica.close()
        throw error
      }
    }
    return replica
  }

  /** The last revision applied: Get and the change feed serve it. */
  get revision(): number {
    return this.source.revision
  }

  /** Rows of a keyed Table; undefined without a key. */
  get count(): number | undefined {
    return this.#rows?.count()
  }

  /** Of an append-only Table: rows of revisions up to this one are gone, as of `revision`. */
  get expired(): number {
    return this.#expired
  }

  /** The columns' revision: SQL serves it. 0 without columns. */
  get columnsRevision(): number {
    return this.#columns?.revision ?? 0
  }

  /** Waits until Get and the feed serve `revision`. */
  reached(revision: number, signal: AbortSignal): Promise<void> {
    return this.source.reached(revision, signal)
  }

  /** Waits until SQL serves `revision`; asking makes the next tick come at once. */
  columnsReached(revision: number, signal: AbortSignal): Promise<void> {
    if (this.#columns === undefined) throw new BlastyError('INTERNAL', { id: 'replica-without-columns' })
    return this.#columns.reached(revision, signal)
  }

  /** The row with an encoded key, as of `revision`. Only keyed Tables have rows. */
  get(key: Buffer): StoredRow | undefined {
    return this.#keyed().get(key)
  }

  snapshot(): RowSnapshot {
    return this.#keyed().snapshot()
  }

  /** What the lake holds need not be kept here for ever. */
  noteArchived(revision: number): void {
    if (this.#rows === undefined || this.#stop.signal.aborted) return
    this.#archived = Math.max(this.#archived, revision)
    this.#rows.trim(revision, maxRingBytes)
    const erased = this.#rows.erased()
    if (erased > 0 && revision >= erased) this.#forget()
  }

  /** Gives up the files, in which rows that were erased still are; the next replica is loaded from the lake. */
  #forget(): void {
    if (this.#forgotten) return
    this.#forgotten = true
    const reason = 'rows were erased, and its replica is loaded anew'
    const error = new BlastyError('TABLE_NOT_READY', { table: this.#table, reason })
    this.#options.sql?.renew().catch(() => {}) // Who connects is told.
    this.source.fail(error)
    this.#options.onFailure(error)
  }

  /** Ends everybody who reads from it with TABLE_NOT_READY. */
  async close(): Promise<void> {
    this.#stop.abort()
    const columns = this.#columns?.close()
    this.source.fail(new BlastyError('TABLE_NOT_READY', { table: this.#table, reason: 'its replica was closed' }))
    await Promise.all([this.#following, columns])
    await this.#rows?.close()
  }

  #keyed(): RowStore {
    if (this.#rows === undefined) {
      throw new BlastyError('UNSUPPORTED', {
        what: 'reading by key from a Table without a primary key',
        instead: 'use Query',
      })
    }
    return this.#rows
  }

  async #follow({ log, recovery, onFailure, onErased, ...options }: ReplicaOptions): Promise<void> {
    const schemas = options.schemas.until(this.#stop.signal)
    try {
      for await (const batch of follow(log, { after: this.source.revision, signal: this.#stop.signal })) {
        const newest = batch.records.reduce((highest, { schema }) => Math.max(highest, schema), 0)
        if (newest > schemas.current.number) await schemas.reach(newest)
        const changed = this.#rows?.apply(batch, schemas.codec, schemas.encodeKey) ?? appendedBatch(batch)
        this.#expired = Math.max(this.#expired, changed.expired ?? 0)
        if (erases(batch)) onErased?.()
        this.source.push(changed)
        // The lake may have been told of before this process came so far.
        if (erases(batch) && this.#archived >= batch.revision) this.#forget()
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return
      this.source.fail(recovery === undefined ? error : overtaken(error, log.table))
      onFailure(error)
    }
  }
}

/** Recovers the rows as `recoverRows` tells. When that fails their files are let go of, for the next replica. */
async function recoveredRows(rows: RowStore, options: ReplicaOptions): Promise<boolean> {
  try {
    return await recoverRows(rows, options)
  } catch (error) {
    await rows.close()
    throw error
  }
}

/** Up to where rows are gone: the log says it or, where the record is purged, the lake. */
async function expiredBefore(log: ChangeLog, recovery: Recovery | undefined): Promise<number> {
  const logged = await loggedExpiry(log)
  if (logged > 0 || (await logState(log)).first <= 1) return logged
  return (await recovery?.expired()) ?? 0
}

/** A purge that passes a slow replica is no loss: the next one is loaded from the lake, or says that it cannot be. */
function overtaken(error: unknown, table: string): unknown {
  if (!isBlastyError(error, 'LOG_GAP')) return error
  const reason = 'the log was purged past its replica, which is loaded anew'
  return new BlastyError('TABLE_NOT_READY', { table, reason }, { cause: error })
}

/** From the ring or, what it no longer holds, from the lake. The ring may be trimmed at any moment between two pages. */
async function* keptChanges(
  table: string,
  rows: RowStore,
  after: number,
  until: number,
  signal: AbortSignal,
  recovery: Recovery | undefined,
): AsyncGenerator<ChangeBatch> {
  for (let at = after; at < until; ) {
    if (at < rows.base()) {
      const upTo = rows.base()
      for await (const batch of recovery?.changes(at, signal) ?? []) {
        // Also what lies behind tells the schema, which may have been announced before.
        yield batch.revision <= upTo ? batch : { ...batch, revision: upTo, changes: [], bytes: 0 }
        at = Math.min(batch.revision, upTo)
        if (at === upTo) break
      }
      // A lake that ends before has lost changes: they must not be passed over.
      if (at < upTo) throw new BlastyError('CURSOR_EXPIRED', { revision: at, table })
      continue
    }
    const page = rows.changes(at, pageBytes)
    yield* page
    const last = page.at(-1)
    if (last === undefined) return
    at = last.revision
  }
}

/** From the log or, what it no longer holds, from the lake. The log may be purged at any moment, past a reader too. */
async function* loggedChanges(
  log: ChangeLog,
  after: number,
  until: number,
  signal: AbortSignal,
  recovery: Recovery | undefined,
): AsyncGenerator<ChangeBatch> {
  for (let at = after; at < until && !signal.aborted; ) {
    const { first } = await logState(log)
    if (first > at + 1) {
      const before = at
      for await (const batch of recovery?.changes(at, signal) ?? []) {
        if (signal.aborted) return
        if (batch.revision > until) {
          // Rows that are gone must not stay because more is known by now than was asked for.
          if (batch.expired !== undefined) yield { ...batch, revision: until }
          return
        }
        yield batch
        at = batch.revision
      }
      if (at === before) throw new BlastyError('LOG_GAP', { table: log.table, from: at, to: first })
      continue
    }
    try {
      for await (const batch of follow(log, { after: at, signal })) {
        yield appendedBatch(batch)
        at = batch.revision
        if (at >= until) return
      }
    } catch (error) {
      if (!isBlastyError(error, 'LOG_GAP') || (await logState(log)).first <= at + 1) throw error
    }
  }
}
