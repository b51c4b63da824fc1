/** A Table as one process works with it: its log, writer and schemas, and a replica that is opened when first needed. */

import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { ObjectStore } from '../backends/object-store/store.ts'
import type { Streams } from '../backends/streams/connect.ts'
import { BlastyError, isBlastyError } from '../base/errors.ts'
import { unlessAborted } from '../base/unless-aborted.ts'
import { BlobCheck } from './blobs/check.ts'
import type { BlobPlace } from './blobs/content.ts'
import { type DeltaLake, lakeIn } from './lake/delta/lake.ts'
import { archivedExpiry } from './lake/expiry.ts'
import { archivedChanges } from './lake/history.ts'
import { openSnapshot } from './lake/snapshot.ts'
import { follow } from './log/follower.ts'
import { type ChangeLog, changeLog, logState } from './log/log.ts'
import { type LogWriter, logWriter } from './log/writer.ts'
import { markWritten } from './log/written.ts'
import { appendedBatch, type ChangeBatch } from './replica/change.ts'
import { TableReplica } from './replica/replica.ts'
import type { SqlDatabase } from './replica/sql-database.ts'
import { readSchema } from './schema/documents.ts'
import type { TableSchema } from './schema/schema.ts'
import { Schemas } from './schema/schemas.ts'
import { tableUntil } from './until.ts'

/** What a Table's status says of it. */
export type TableDescriptor = {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly schema: TableSchema
  readonly bucket: string
  readonly stream: string
  readonly epoch: number
}

export type TableOptions = {
  readonly streams: Streams
  readonly objects: ObjectStore
  /** Folder for replicas; everything in it may be deleted. */
  readonly dataDirectory: string
  /** The SQL instance of the Table's namespace; without one the replica has no columns. */
  readonly sql?: () => Promise<SqlDatabase>
  readonly onError: (error: unknown) => void
}

export class Table {
  readonly descriptor: TableDescriptor
  /** Tells one object from another of the same Table, which has other readers. */
  readonly instance = randomUUID()
  readonly log: ChangeLog
  readonly lake: DeltaLake
  readonly schemas: Schemas
  readonly writer: LogWriter
  readonly blobs: BlobPlace
  /** To be asked before rows are written that may name blobs. */
  readonly blobCheck: BlobCheck
  readonly #options: TableOptions
  #replica: Promise<TableReplica> | undefined
  #opened: TableReplica | undefined
  #marked: Promise<void> | undefined
  #closing: Promise<void> = Promise.resolve()
  #closed = false
  #erasures = 0
  #archived = 0
  readonly #stop = new AbortController()

  constructor(descriptor: TableDescriptor, options: TableOptions) {
    const { namespace, name, uid, stream, epoch, bucket, schema } = descriptor
    const table = `${namespace}/${name}`
    this.descriptor = descriptor
    this.#options = options
    this.log = changeLog({ table, tableUid: uid, stream, epoch }, options.streams)
    this.lake = lakeIn(options.objects, bucket)
    this.schemas = new Schemas(table, schema, (number, signal) =>
      readSchema(signal === undefined ? options.objects : options.objects.until(signal), bucket, number),
    )
    this.writer = logWriter(this.log, {
      encodeKey: row => this.schemas.encodeKey(row),
      lookup: async (key, minRevision, signal) => {
        const replica = await this.replica()
        await replica.reached(minRevision, signal)
        return replica.get(key)?.revision
      },
    })
    this.blobs = { objects: options.objects, bucket, table }
    this.blobCheck = new BlobCheck(this.blobs, async (rows, signal) => {
      const { last } = await logState(this.log)
      const replica = await this.reached(last, 'rows', signal)
      return rows.map(row => replica.get(this.schemas.encodeKey(row))?.row(this.schemas.codec))
    })
  }

  get keyed(): boolean {
    return this.descriptor.schema.primaryKey.length > 0
  }

  /** To be awaited before each write: leaves a mark in the bucket before the first row, after which it costs nothing. */
  beforeWrite(): Promise<void> {
    this.#marked ??= markWritten(this.#options.objects, this.descriptor.bucket).catch(error => {
      this.#marked = undefined
      throw error
    })
    return this.#marked
  }

  /** Somebody knows already that rows were written: no mark is needed. */
  knownWritten(): void {
    this.#marked ??= Promise.resolve()
  }

  /** How often rows were erased as far as this process knows: what was loaded before is not to be used again. */
  get erasures(): number {
    return this.#erasures
  }

  /** The replica, if one is open. */
  get openReplica(): TableReplica | undefined {
    return this.#opened
  }

  /** The replica, opened when first asked for. One that fails is closed, and the next caller opens another. */
  replica(): Promise<TableReplica> {
    if (this.#closed) {
      const reason = 'it is being served anew'
      return Promise.reject(new BlastyError('TABLE_NOT_READY', { table: this.log.table, reason }))
    }
    if (this.#replica === undefined) {
      const opening: Promise<TableReplica> = this.#openReplica(error => {
        // Its files are begun anew on purpose.
        if (!isBlastyError(error, 'TABLE_NOT_READY')) this.#options.onError(error)
        this.#discard(opening)
      })
      opening.then(
        opened => {
          if (this.#replica === opening) this.#opened = opened
        },
        () => this.#discard(opening),
      )
      this.#replica = opening
    }
    return this.#replica
  }

  /**
   * Waits until the replica serves `revision`, and what the log held when it was opened, by key (`rows`) or by SQL (`columns`).
   * @throws REVISION_NOT_REACHED at once when the log does not go that far
   */
  async reached(revision: number, part: 'rows' | 'columns', signal: AbortSignal): Promise<TableReplica> {
    const replica = await unlessAborted(this.replica(), signal)
    // Who reads what was written here a moment ago need not ask the log whether it goes that far.
    if (revision > replica.revision && revision > this.writer.committed()) {
      const { last } = await logState(this.log)
      if (revision > last) throw new BlastyError('REVISION_NOT_REACHED', { revision, table: this.log.table, last })
    }
    const wanted = Math.max(revision, replica.openedAt)
    if (part === 'rows') await replica.reached(wanted, signal)
    else await replica.columnsReached(wanted, signal)
    return replica
  }

  /**
   * Batches of an append-only Table behind `after`, read for this caller alone and no faster than it takes them, until the signal is
   * aborted. A replica reads ahead for all who follow it, and has the log read once more for one who falls behind.
   * @throws what `follow` does, TABLE_NOT_READY when the Table closes
   */
  async *appended(after: number, signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    const either = AbortSignal.any([signal, this.#stop.signal])
    for await (const batch of follow(this.log, { after, signal: either })) yield appendedBatch(batch)
    if (!signal.aborted) throw this.#stop.signal.reason
  }

  /** The replica, if its rows are where `reached` would wait for: most readers need no wait, nor a timer for one. */
  alreadyReached(revision: number): TableReplica | undefined {
    const replica = this.#opened
    return replica !== undefined && replica.revision >= Math.max(revision, replica.openedAt) ? replica : undefined
  }

  /** Somebody knows that the lake holds so much. */
  noteArchived(revision: number): void {
    this.#archived = Math.max(this.#archived, revision)
    this.#opened?.noteArchived(revision)
  }

  /** Aborted when the Table closes: whoever still waits for it gives up. */
  get closing(): AbortSignal {
    return this.#stop.signal
  }

  /** For good: the files may belong to another Table object from then on. */
  async close(): Promise<void> {
    this.#closed = true
    this.#stop.abort(new BlastyError('TABLE_NOT_READY', { table: this.log.table, reason: 'it is closing' }))
    if (this.#replica !== undefined) this.#discard(this.#replica)
    await this.#closing
  }

  /** Forgets a replica and closes it; the next one opens only when that is done, since both use the same files. */
  #discard(replica: Promise<TableReplica>): void {
    if (this.#replica !== replica) return
    this.#replica = undefined
    this.#opened = undefined
    this.#closing = replica.then(
      opened => opened.close(),
      () => {},
    )
    this.#closing.catch(this.#options.onError)
  }

  async #openReplica(onFailure: (error: unknown) => void): Promise<TableReplica> {
    await this.#closing
    const { dataDirectory, sql } = this.#options
    const { namespace, name } = this.descriptor
    const scratch = join(dataDirectory, 'scratch', namespace, name)
    const served = tableUntil(this, this.closing)
    return TableReplica.open({
      log: this.log,
      schemas: served.schemas,
      name,
      directory: join(dataDirectory, 'rows', namespace, name),
      ...(sql === undefined ? {} : { sql: await sql() }),
      recovery: {
        snapshot: () => openSnapshot(served, scratch),
        changes: (after, signal) =>
          archivedChanges(tableUntil(this, AbortSignal.any([signal, this.closing])), after, scratch),
        expired: () => archivedExpiry(served),
      },
      onFailure,
      archived: this.#archived,
      onErased: () => {
        this.#erasures++
      },
    })
  }
}
