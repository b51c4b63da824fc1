/**
 * The DuckDB instance that holds the columns of one namespace's Tables, shut off from files, network and settings.
 *
 * It writes no log of its own, since every Table has one: after a crash its file holds the state of the last checkpoint, with
 * the positions that belong to it, and what came since is merged again. So a merge waits for no disk, and the disk is left to
 * those whose writes must be on it.
 */

import { existsSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { type DuckDBConnection, DuckDBInstance, type DuckDBMaterializedResult } from '@duckdb/node-api'
import { lockdownStatements } from '../sql/lockdown.ts'
import { createMacros } from '../sql/macros.ts'
import { quoteText } from '../sql/quote.ts'

export type SqlLimits = {
  /** Such as `4GB`. */
  readonly memory: string
  readonly threads: number
  /**
   * Statements that run at once in the process; 2 when unset. Each holds one of libuv's threads, of which there are 4 unless the
   * process was told otherwise: with all of them held, nothing else of the process would get on.
   */
  readonly statements?: number
  /** When so long nothing was merged, what is not saved is; two seconds when unset, in milliseconds. */
  readonly restMillis?: number
}

export type SqlDatabase = {
  readonly connect: () => Promise<DuckDBConnection>
  /** A connection at one moment of all Tables; closing it ends that. */
  readonly read: () => Promise<SqlReading>
  /**
   * To be told after each merge how many bytes it held, `Infinity` for one that is dear. When enough have come since the last
   * checkpoint, makes one; when some have and no more come for a while, one is made then. While a query reads rows that have since been deleted none can be made, and the next merge tries again.
   */
  readonly merged: (bytes: number) => Promise<void>
  /** Another number from each renewal on: who connects behind one finds a Table only when its feed has filled it again. */
  readonly generation: () => number
  /** Told when the file is about to be begun anew, which waits for the connections of all who are told. Returns how to be told no more. */
  readonly onRenewal: (listener: () => void) => () => void
  /**
   * Begins the file anew: what was deleted in it is still in its bytes. Every Table in it has to be filled again, and new connections
   * wait until the last old one is closed. A process that ends before does so when it next opens the file.
   */
  readonly renew: () => Promise<void>
  /** Makes a checkpoint too. */
  readonly close: () => Promise<void>
}

/** A connection in a transaction that only reads, and by name the revision that each Table has in it. */
export type SqlReading = { readonly connection: DuckDBConnection; readonly revisions: ReadonlyMap<string, number> }

/** Tells which state of which Table is in the instance; not visible to queries. */
export const positionsTable = '_blasty_positions'

/** What may have to be merged again after a crash, and what dead versions of rows may hold of memory until then. */
const checkpointBytes = 64 * 1024 * 1024
/** What is not saved is not compressed either, and a tenth of a Table like that makes a query a sixth slower; less than so much is not worth a checkpoint. */
const worthwhileBytes = 1024 * 1024
const defaultRestMillis = 2_000
/** The name of the file in the instance. */
const catalog = 'columns'

/** Opens the instance at `path`; a file that does not open is a broken cache and is made anew, as is one whose renewal was broken off. */
export async function openSqlDatabase(path: string, limits: SqlLimits): Promise<SqlDatabase> {
  const marker = `${path}.renew`
  const openAnew = async () => {
    await removeFiles(path)
    const opened = await open(path, limits)
    await rm(marker, { force: true })
    return opened
  }
  let instance: DuckDBInstance | undefined = existsSync(marker)
    ? await openAnew()
    : await open(path, limits).catch(openAnew)
  const connections = new OpenConnections()
  const spare = new SpareConnection()
  const listeners = new Set<() => void>()
  let generation = 0
  let renewing: Promise<void> | undefined
  let closed = false
  let unsaved = 0
  let resting: NodeJS.Timeout | undefined
  let saving: Promise<void> | undefined

  /** Opens a connection to what the file is now, or will be when its renewal is over. */
  const opened = async <T>(
    open: (instance: DuckDBInstance) => Promise<T>,
    connectionOf: (opened: T) => DuckDBConnection,
    /** When it has been closed. */
    whenClosed: (instance: DuckDBInstance) => void = () => {},
  ) => {
    await renewing
    // A renewal that failed is tried again.
    if (instance === undefined && !closed) await renew()
    const current = instance
    if (current === undefined) throw new Error('the instance is closed')
    return connections.counted(
      () => open(current),
      connectionOf,
      () => whenClosed(current),
    )
  }
  const connected = () => opened(connect, connection => connection)
  const beginAnew = async () => {
    await connections.none()
    await spare.close()
    if (closed) return
    instance?.closeSync()
    instance = undefined
    instance = await openAnew()
  }
  const renew = () => {
    if (renewing !== undefined) return renewing
    // Before anything else: a process that ends in the midst of it begins with a new file.
    writeFileSync(marker, '')
    generation++
    renewing = beginAnew().finally(() => {
      renewing = undefined
    })
    renewing.catch(() => {}) // Whoever connects is told.
    for (const listener of [...listeners]) listener()
    return renewing
  }
  const checkpoint = async () => {
    const saved = unsaved
    unsaved = 0
    const connection = await connected()
    try {
      await connection.run(`CHECKPOINT ${catalog}`)
    } catch {
      unsaved += saved
    } finally {
      connection.closeSync()
    }
  }
  const save = async () => {
    while (saving !== undefined) await saving
    // There is nothing to save of a file that goes, and who waits for its end must not wait for another.
    if (renewing !== undefined || closed) return
    saving = checkpoint().finally(() => {
      saving = undefined
    })
    await saving
  }
  const rest = () => {
    clearTimeout(resting)
    if (unsaved < worthwhileBytes || closed) return
    const rested = () =>
      save()
        .catch(() => {}) // Whoever merges or connects next is told.
        .then(rest)
    resting = setTimeout(rested, limits.restMillis ?? defaultRestMillis).unref()
  }
  return {
    connect: connected,
    read: () =>
      opened(
        async current => read((await spare.take()) ?? (await connect(current))),
        ({ connection }) => connection,
        current => {
          if (!closed) spare.make(current)
        },
      ),
    merged: async bytes => {
      unsaved += bytes
      if (unsaved >= checkpointBytes) await save()
      rest()
    },
    generation: () => generation,
    onRenewal: listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    renew,
    close: async () => {
      closed = true
      clearTimeout(resting)
      connections.giveUp()
      await saving?.catch(() => {}) // Who merged was told.
      await spare.close()
      instance?.closeSync()
      instance = undefined
    },
  }
}

const removeFiles = (path: string) => Promise.all([path, `${path}.wal`].map(file => rm(file, { force: true })))

/** How many connections are in use, and the word that none is any more. */
class OpenConnections {
  #open = 0
  #wake: (() => void) | undefined

  /** Counts a connection from before it is opened until it is closed. */
  async counted<T>(
    open: () => Promise<T>,
    connectionOf: (opened: T) => DuckDBConnection,
    closed: () => void,
  ): Promise<T> {
    this.#open++
    let counts = true
    const end = () => {
      if (counts && --this.#open === 0) this.#wake?.()
      counts = false
    }
    try {
      const opened = await open()
      const connection = connectionOf(opened)
      const close = connection.closeSync.bind(connection)
      connection.closeSync = () => {
        close()
        closed()
        end()
      }
      return opened
    } catch (error) {
      end()
      throw error
    }
  }

  /** Resolves when none is open. */
  none(): Promise<void> {
    if (this.#open === 0) return Promise.resolve()
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }

  /** Nobody waits any more. */
  giveUp(): void {
    this.#wake?.()
  }
}

/** A connection that is opened before it is asked for. */
class SpareConnection {
  #opening: Promise<DuckDBConnection | undefined> | undefined

  /** Undefined when there is none. */
  async take(): Promise<DuckDBConnection | undefined> {
    const opening = this.#opening
    this.#opening = undefined
    return opening
  }

  make(instance: DuckDBInstance): void {
    this.#opening ??= connect(instance).catch(() => undefined) // Who takes it opens one.
  }

  async close(): Promise<void> {
    const connection = await this.take()
    connection?.closeSync()
  }
}

async function connect(instance: DuckDBInstance): Promise<DuckDBConnection> {
  const connection = await instance.connect()
  await connection.run(`USE ${catalog}`)
  return connection
}

/** In one call: with each answer the process turns to whatever else it has to do first. */
async function read(connection: DuckDBConnection): Promise<SqlReading> {
  try {
    const positions = await connection.run(`BEGIN TRANSACTION READ ONLY; SELECT name, revision FROM ${positionsTable}`)
    return { connection, revisions: new Map(rowsOf(positions).map(([name, at]) => [String(name), Number(at)])) }
  } catch (error) {
    connection.closeSync()
    throw error
  }
}

/** The rows of a result that is here as a whole, without waiting. */
const rowsOf = (result: DuckDBMaterializedResult) =>
  Array.from({ length: result.chunkCount }, (_, index) => result.getChunk(index).getRows()).flat()

async function open(path: string, limits: SqlLimits): Promise<DuckDBInstance> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(limits.threads),
    memory_limit: limits.memory,
    temp_directory: `${path}.tmp`,
    preserve_insertion_order: 'false',
  })
  const setUp = await instance.connect()
  try {
    await setUp.run(`ATTACH ${quoteText(path)} AS ${catalog} (RECOVERY_MODE no_wal_writes, STORAGE_VERSION 'latest')`)
    await setUp.run(
      `CREATE TABLE IF NOT EXISTS ${catalog}.${positionsTable} (name VARCHAR, uid VARCHAR, epoch INTEGER, schema INTEGER, revision BIGINT)`,
    )
    await setUp.run(`USE ${catalog}; ${createMacros}`)
    for (const statement of lockdownStatements) await setUp.run(statement)
    return instance
  } catch (error) {
    instance.closeSync()
    throw error
  } finally {
    setUp.closeSync()
  }
}
