/**
 * SQL instances that hold Tables as they were, one for each set of Tables and revisions of a namespace: made when first asked for,
 * shared by all who ask for the same, and kept for a while.
 */

import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { BlastyError } from '../../base/errors.ts'
import { unlessAborted } from '../../base/unless-aborted.ts'
import { revisionAtTime } from '../lake/as-of.ts'
import { openSqlDatabase, type SqlDatabase, type SqlLimits } from '../replica/sql-database.ts'
import { bytesOf, type MemoryWatch } from '../sql/memory-watch.ts'
import { NamespaceTurns } from '../sql/turns.ts'
import type { Table } from '../table.ts'
import { declarePast, loadPast, type PastTable } from './load.ts'

/** Copies at a time, in use or kept. Together they have as much memory as the instance of one namespace. */
const maxCopies = 4
/** Copies that are loaded at a time. */
const maxLoads = 2
/** How long a copy is kept that nobody uses, in milliseconds. */
const keptMillis = 300_000

export type PastOptions = {
  /** A cache: its files may be deleted while no process uses them. */
  readonly directory: string
  readonly limits: SqlLimits
  /** Told of a copy that is loaded, it ends those that take too much memory. */
  readonly memory: Pick<MemoryWatch, 'enter'>
  /** What all copies may take on disk; 4 GiB when unset. */
  readonly maxBytes?: number
}

/** An instance for as long as somebody uses it. */
export type Lease = { readonly database: SqlDatabase; readonly release: () => void }

type Copy = {
  readonly folder: string
  readonly loading: Promise<SqlDatabase>
  readonly stop: AbortController
  users: number
  bytes: number
  loaded: boolean
  /** Runs while nobody uses it. */
  timer?: NodeJS.Timeout
}

export class PastDatabases {
  readonly #options: PastOptions
  readonly #maxBytes: number
  /** In the order of their last use. */
  readonly #copies = new Map<string, Copy>()
  readonly #turns = new NamespaceTurns(maxCopies)
  readonly #loads = new NamespaceTurns(maxLoads)
  readonly #dropping = new Set<Promise<void>>()
  #cleared: Promise<void> | undefined

  constructor(options: PastOptions) {
    this.#options = options
    this.#maxBytes = options.maxBytes ?? 4 * 1024 ** 3
  }

  /** Copies in use or kept. */
  get size(): number {
    return this.#copies.size
  }

  /**
   * An instance with the Tables of a namespace as of their revisions, and with nothing else. Waits for a turn, in which `wanted` is
   * called, and for loading, which ends with the last who waits.
   * @throws QUERY_LIMIT, REVISION_NOT_REACHED, REVISION_EXPIRED, the signal's reason
   */
  async lease(namespace: string, wanted: () => Promise<readonly PastTable[]>, signal: AbortSignal): Promise<Lease> {
    const leave = await this.#turns.enter(namespace, signal)
    let used: (() => void) | undefined
    const release = () => {
      used?.()
      used = undefined
      leave()
    }
    try {
      const tables = await wanted()
      const key = keyOf(namespace, tables)
      const copy = this.#copies.get(key) ?? this.#add(key, namespace, tables)
      // Taken out and put back, so that the first one is the one not used for the longest.
      this.#copies.delete(key)
      this.#copies.set(key, copy)
      clearTimeout(copy.timer)
      copy.users++
      used = () => this.#leave(key, copy)
      return { database: await unlessAborted(copy.loading, signal), release }
    } catch (error) {
      release()
      throw error
    }
  }

  /**
   * An instance with the same Tables and none of their rows, for a plan: nothing is loaded, kept or pushed out.
   * @throws QUERY_LIMIT, what `wanted` throws, the signal's reason
   */
  async declare(namespace: string, wanted: () => Promise<readonly PastTable[]>, signal: AbortSignal): Promise<Lease> {
    const leave = await this.#turns.enter(namespace, signal)
    const folder = join(this.#options.directory, randomUUID())
    let sql: SqlDatabase | undefined
    const removed = async () => {
      await sql?.close()
      await rm(folder, { recursive: true, force: true })
    }
    const release = () => {
      leave()
      // The next process begins with an empty directory.
      removed().catch(() => {})
    }
    try {
      const tables = await wanted()
      sql = await this.#open(folder)
      for (const past of tables) await declarePast(past, sql)
      return { database: sql, release }
    } catch (error) {
      release()
      throw error
    }
  }

  /** The revision that a Table had at a time in microseconds since 1970. Throws as `engine/lake/as-of.ts` tells. */
  async revisionAtTime(table: Table, time: number, signal: AbortSignal): Promise<number> {
    await this.#clear()
    return revisionAtTime(table, time, join(this.#options.directory, 'times'), signal)
  }

  /** Nobody may use a copy any more. */
  async close(): Promise<void> {
    for (const [key, copy] of [...this.#copies]) this.#drop(key, copy)
    await Promise.all(this.#dropping)
  }

  /** What an earlier process left is of no use. */
  #clear(): Promise<void> {
    this.#cleared ??= rm(this.#options.directory, { recursive: true, force: true })
    return this.#cleared
  }

  #add(key: string, namespace: string, tables: readonly PastTable[]): Copy {
    // As many turns as copies: when there is no room, some copy is not in use.
    if (this.#copies.size >= maxCopies) this.#dropIdle()
    const folder = join(this.#options.directory, randomUUID())
    const stop = new AbortController()
    const loading = this.#load(namespace, tables, folder, stop.signal, () => this.#weigh(copy))
    const copy: Copy = { folder, loading, stop, users: 0, bytes: 0, loaded: false }
    this.#copies.set(key, copy)
    loading.then(
      () => {
        copy.loaded = true
      },
      () => this.#drop(key, copy), // Whoever asks next begins anew.
    )
    return copy
  }

  async #load(
    namespace: string,
    tables: readonly PastTable[],
    folder: string,
    given: AbortSignal,
    check: () => Promise<void>,
  ): Promise<SqlDatabase> {
    const leave = await this.#loads.enter(namespace, given)
    const exhausted = new AbortController()
    const forget = this.#options.memory.enter(() =>
      exhausted.abort(new BlastyError('QUERY_LIMIT', { limit: 'memory' })),
    )
    const signal = AbortSignal.any([given, exhausted.signal])
    let sql: SqlDatabase | undefined
    try {
      sql = await this.#open(folder)
      for (const past of tables) await loadPast(past, sql, { scratch: join(folder, 'scratch'), signal, check })
      signal.throwIfAborted()
      // What is on disk need not be held in memory.
      await sql.merged(Number.POSITIVE_INFINITY)
      await check()
      return sql
    } catch (error) {
      await sql?.close()
      throw error
    } finally {
      forget()
      leave()
    }
  }

  async #open(folder: string): Promise<SqlDatabase> {
    const { limits } = this.#options
    await this.#clear()
    await mkdir(folder, { recursive: true })
    const memory = `${Math.floor(bytesOf(limits.memory) / maxCopies)}B`
    return openSqlDatabase(join(folder, 'columns.duckdb'), { ...limits, memory })
  }

  /** Makes room for what a copy has grown by. */
  async #weigh(copy: Copy): Promise<void> {
    copy.bytes = await bytesIn(copy.folder)
    const taken = () => this.#copies.values().reduce((sum, { bytes }) => sum + bytes, 0)
    while (taken() > this.#maxBytes) {
      if (!this.#dropIdle()) {
        const limit = `${this.#maxBytes} bytes on disk for Tables as they were`
        throw new BlastyError('QUERY_LIMIT', { limit })
      }
    }
  }

  /** Drops the copy that nobody has used for the longest; false when all are in use. */
  #dropIdle(): boolean {
    for (const [key, copy] of this.#copies) {
      if (copy.users > 0) continue
      this.#drop(key, copy)
      return true
    }
    return false
  }

  #leave(key: string, copy: Copy): void {
    copy.users--
    if (copy.users > 0 || this.#copies.get(key) !== copy) return
    // Whoever comes later would wait for what has been given up.
    if (!copy.loaded) this.#drop(key, copy)
    else copy.timer = setTimeout(() => this.#drop(key, copy), keptMillis).unref()
  }

  #drop(key: string, copy: Copy): void {
    if (this.#copies.get(key) !== copy) return
    this.#copies.delete(key)
    clearTimeout(copy.timer)
    copy.stop.abort()
    const dropping = copy.loading
      .then(
        sql => sql.close(),
        () => {}, // Those who waited have been told.
      )
      .then(() => rm(copy.folder, { recursive: true, force: true }))
      .catch(() => {}) // The next process begins with an empty directory.
      .finally(() => this.#dropping.delete(dropping))
    this.#dropping.add(dropping)
  }
}

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const sizes = entries
    .filter(entry => entry.isFile())
    .map(({ parentPath, name }) =>
      stat(join(parentPath, name)).then(
        ({ size }) => size,
        () => 0, // It was on its way only.
      ),
    )
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

function keyOf(namespace: string, tables: readonly PastTable[]): string {
  const parts = tables.map(({ table: { descriptor, schemas, erasures }, revision }) => [
    descriptor.name,
    descriptor.uid,
    descriptor.epoch,
    schemas.current.number,
    erasures,
    revision,
  ])
  return JSON.stringify([namespace, ...parts])
}
