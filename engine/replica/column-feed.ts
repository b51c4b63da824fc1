/**
 * Keeps the columns of one Table behind its changes. Merging costs about the same for one row as for a thousand, so
 * changes are merged in ticks: at once when a query waits for one of them, otherwise after a pause twenty times as long as the
 * last tick took, so that a steady stream of writes leaves most of a core to those who write and read.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { BlastyError } from '../../base/errors.ts'
import { type LakeSnapshot, readingSnapshot } from '../lake/snapshot.ts'
import type { Schemas } from '../schema/schemas.ts'
import { type ColumnIdentity, ColumnTable } from './column-table.ts'
import type { ChangeSource } from './source.ts'
import type { SqlDatabase } from './sql-database.ts'

export type ColumnFeedOptions = {
  readonly sql: SqlDatabase
  readonly identity: ColumnIdentity
  readonly schemas: Schemas
  readonly source: ChangeSource
  /** Behind which revision `source` has every change at hand, and a snapshot for columns that are older than that. */
  readonly load: { readonly base: () => Promise<number>; readonly snapshot?: () => Promise<LakeSnapshot | undefined> }
  readonly onFailure: (error: unknown) => void
}

const maxStagedBytes = 32 * 1024 * 1024
const minPauseMillis = 20
const maxPauseMillis = 500
/** Length of a pause, in ticks. */
const pauseTicks = 20
const tickAttempts = 5

type Waiter = { readonly revision: number; readonly resolve: () => void; readonly reject: (reason: unknown) => void }

export class ColumnFeed {
  readonly #table: ColumnTable
  readonly #options: ColumnFeedOptions
  readonly #stop = new AbortController()
  readonly #waiters = new Set<Waiter>()
  readonly #feeding: Promise<void>
  readonly #unsubscribe: () => void
  #ticking: Promise<void> | undefined
  #saving: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #lastTickMillis = 0
  #schema: number
  #failure: unknown

  private constructor(table: ColumnTable, options: ColumnFeedOptions) {
    this.#table = table
    this.#options = options
    this.#schema = table.schema
    this.#unsubscribe = options.sql.onRenewal(() => this.#fail(loadedAnew(options)))
    this.#feeding = this.#feed().catch(error => this.#fail(error))
  }

  static async start(options: ColumnFeedOptions): Promise<ColumnFeed> {
    const connection = await options.sql.connect()
    const generation = options.sql.generation()
    try {
      const table = await ColumnTable.open(connection, options.identity, options.schemas)
      if (table.revision < (await options.load.base())) await loadColumns(table, options)
      if (options.sql.generation() !== generation) throw loadedAnew(options)
      return new ColumnFeed(table, options)
    } catch (error) {
      connection.closeSync()
      throw error
    }
  }

  get revision(): number {
    return this.#table.revision
  }

  /** Waits until `revision` is merged. Throws what stopped the feed, or the signal's reason. */
  reached(revision: number, signal: AbortSignal): Promise<void> {
    if (this.#table.revision >= revision) return Promise.resolve()
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (signal.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const aborted = () => waiter.reject(signal.reason)
      const settle = (finish: () => void) => {
        this.#waiters.delete(waiter)
        signal.removeEventListener('abort', aborted)
        finish()
      }
      const waiter: Waiter = {
        revision,
        resolve: () => settle(resolve),
        reject: cause => settle(() => reject(cause)),
      }
      signal.addEventListener('abort', aborted, { once: true })
      this.#waiters.add(waiter)
      this.#schedule()
    })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#unsubscribe()
    clearTimeout(this.#timer)
    const { name } = this.#options.identity
    this.#failure ??= new BlastyError('TABLE_NOT_READY', { table: name, reason: 'its replica was closed' })
    for (const waiter of this.#waiters) waiter.reject(this.#failure)
    await this.#feeding
    // Closed while it runs something, a connection of DuckDB would hang for ever.
    while (this.#ticking !== undefined) await this.#ticking
    await this.#saving
    this.#table.close()
  }

  async #feed(): Promise<void> {
    const schemas = this.#options.schemas.until(this.#stop.signal)
    for await (const batch of this.#options.source.changes(this.#table.revision, this.#stop.signal)) {
      if (batch.schema > this.#schema) {
        await this.#tick()
        await this.#table.adopt(await schemas.reach(batch.schema))
        this.#schema = this.#table.schema
      }
      this.#table.stage(batch)
      if (this.#table.stagedBytes > maxStagedBytes) await this.#tick()
      else this.#schedule()
    }
  }

  #schedule(): void {
    if (this.#ticking !== undefined || !this.#table.pending || this.#stop.signal.aborted) return
    // Who waits for what is not staged yet would have a tick that leaves them waiting.
    const waiting = [...this.#waiters].some(({ revision }) => revision <= this.#table.stagedRevision)
    const tick = () => {
      this.#tick().catch(error => this.#fail(error))
    }
    const pause = Math.min(maxPauseMillis, Math.max(minPauseMillis, pauseTicks * this.#lastTickMillis))
    if (waiting) tick()
    else this.#timer ??= setTimeout(tick, pause)
  }

  /** Merges everything staged so far; one tick at a time. */
  async #tick(): Promise<void> {
    while (this.#ticking !== undefined) await this.#ticking
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (!this.#table.pending || this.#stop.signal.aborted) return
    const bytes = this.#table.stagedBytes
    const started = performance.now()
    const running = this.#tickWithRetry().finally(() => {
      this.#ticking = undefined
      this.#lastTickMillis = performance.now() - started
    })
    // Awaiters of `#ticking` only want it over; the failure goes to the caller below.
    this.#ticking = running.catch(() => {})
    await running
    for (const waiter of this.#waiters) if (waiter.revision <= this.#table.revision) waiter.resolve()
    this.#schedule()
    this.#saving = this.#options.sql.merged(bytes)
    await this.#saving
  }

  async #tickWithRetry(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#table.tick()
      } catch (error) {
        if (attempt >= tickAttempts || this.#stop.signal.aborted) throw error
        await sleep(50 * 2 ** attempt, undefined, { signal: this.#stop.signal }).catch(() => {})
      }
    }
  }

  #fail(error: unknown): void {
    if (this.#stop.signal.aborted || this.#failure !== undefined) return
    this.#failure = error
    for (const waiter of this.#waiters) waiter.reject(error)
    this.#options.onFailure(error)
  }
}

const loadedAnew = ({ identity: { name } }: ColumnFeedOptions) =>
  new BlastyError('TABLE_NOT_READY', { table: name, reason: 'its columns are loaded anew' })

/** Takes a snapshot in place of the columns, when there is one that is newer; else the changes are read one by one. */
async function loadColumns(table: ColumnTable, { load, schemas, sql }: ColumnFeedOptions): Promise<void> {
  await readingSnapshot(
    async () => load.snapshot?.(),
    async snapshot => {
      if (snapshot.revision <= table.revision) return
      await table.load(snapshot, schemas.current)
      // Nobody likes to load it a second time.
      await sql.merged(Number.POSITIVE_INFINITY)
    },
  )
}
