/**
 * Carries the changes of one Table from its log into its lake, until something goes wrong or another archiver is met.
 *
 * A commit holds new rows, the ends of old ones, the changes themselves and the revision they lead to (`txn`), and is put only if
 * its version is not taken. So each change is in the lake once: who was killed, paused or doubled finds by the `txn` where to go on.
 */

import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import type { ChangeBatch } from '../replica/change.ts'
import type { TableSchema } from '../schema/schema.ts'
import type { Schemas } from '../schema/schemas.ts'
import type { Table } from '../table.ts'
import { planCompaction } from './compaction.ts'
import type { Action, AddFile } from './delta/actions.ts'
import { removeAll } from './delta/clean-up.ts'
import { commit } from './delta/commit.ts'
import { packVectors, readVector, vectorFile } from './delta/deletion-vector.ts'
import { type DeltaLake, dataPath, keyOfPath } from './delta/lake.ts'
import { RowSet } from './delta/row-set.ts'
import { advance, type LakeState } from './delta/state.ts'
import { type Ended, endedBy, expiredRevision, expiryMarks } from './expiry.ts'
import {
  addFile,
  appIdOf,
  archivedRevision,
  metadataUnder,
  removeFile,
  rowsOf,
  schemaNumberOf,
  wideStats,
} from './files.ts'
import { downloadFile, uploadFile } from './objects.ts'
import type { SourceFile } from './parquet.ts'
import type { Place, Places } from './places.ts'
import { SharedParquet } from './shared-parquet.ts'
import { type Expiry, type SealedWindow, WaitingWindows } from './waiting-windows.ts'
import type { ClosedWindow } from './window.ts'
import { uploadWindow, type WrittenWindow, writeWindow } from './written-window.ts'

const memory = '512MB'

/**
 * Trino takes added rows for inserts beside those of the change file unless something is removed as well. Removing what never
 * was is nothing to every engine, and stops that.
 */
const nothingRemoved = (time: number): Action => ({
  remove: {
    path: dataPath('00000000-0000-0000-0000-000000000000'),
    deletionTimestamp: time,
    dataChange: true,
    extendedFileMetadata: true,
    partitionValues: {},
    size: 0,
  },
})

/** Keys of the objects that a commit names for the first time. */
function uploadedFor(actions: readonly Action[], { files }: LakeState, lake: DeltaLake): string[] {
  return actions.flatMap(action => {
    if ('cdc' in action) return [keyOfPath(lake, action.cdc.path)]
    if (!('add' in action)) return []
    const { path, deletionVector } = action.add
    const vector = deletionVector === undefined ? undefined : vectorFile(deletionVector)
    return [...(files.has(path) ? [] : [path]), ...(vector === undefined ? [] : [vector])].map(one =>
      keyOfPath(lake, one),
    )
  })
}

/** Thrown when another archiver committed first: what it did has to be read before going on. */
export class Superseded extends Error {
  override readonly name = 'Superseded'
}

export type ArchiveRunOptions = {
  readonly table: Table
  /** That of the Table, of which no request outlives the run. */
  readonly lake: DeltaLake
  /** Those of the Table, for which nobody waits longer either. */
  readonly schemas: Schemas
  /** Undefined for an append-only Table. */
  readonly places: Places | undefined
  /** Scratch folder of this run alone. */
  readonly scratch: string
  readonly state: LakeState
  readonly now: () => number
}

export class ArchiveRun {
  readonly #options: ArchiveRunOptions
  readonly #waiting: WaitingWindows<WrittenWindow>
  /** Open only while there is a backlog, or something is under way: an archiver that waits for changes, as most do, holds none. */
  readonly #parquet: SharedParquet
  /** Deleted positions of the files that have any, as of `state`. */
  readonly #vectors = new Map<string, RowSet>()
  #state: LakeState
  /** That of the last commit. */
  #schema: TableSchema
  /** The last window was full before its time was over. */
  #backlog = false

  private constructor(options: ArchiveRunOptions) {
    this.#options = options
    this.#state = options.state
    const { schemas } = options
    this.#schema = schemas.current
    this.#parquet = new SharedParquet(options.scratch, memory)
    this.#waiting = new WaitingWindows({
      schemas,
      keyed: options.places !== undefined,
      expired: expiredRevision(options.state, options.table),
      folder: options.scratch,
      write: sealed => writeWindow(sealed, this.#parquet),
    })
  }

  /** Makes sure that every live file's rows are noted in `places`, and that no column of the lake is unknown. */
  static async start(options: ArchiveRunOptions): Promise<ArchiveRun> {
    await options.schemas.reach(schemaNumberOf(options.state))
    const run = new ArchiveRun(options)
    try {
      await run.#noteFiles()
      await run.#rest()
      return run
    } catch (error) {
      await run.close()
      throw error
    }
  }

  get state(): LakeState {
    return this.#state
  }

  /** The last revision that the lake holds. */
  get archived(): number {
    return archivedRevision(this.#state, this.#options.table)
  }

  /** The last revision added, in the lake or not yet. */
  get revision(): number {
    return Math.max(this.archived, this.#waiting.revision)
  }

  /** The last revision that is in the lake, or sealed. */
  get sealed(): number {
    return Math.max(this.archived, this.#waiting.sealedRevision)
  }

  /** What was added and is not yet in the lake. */
  get waiting(): Pick<WaitingWindows<unknown>, 'pending' | 'open' | 'full' | 'sealable' | 'next'> {
    return this.#waiting
  }

  /** Takes in a batch that follows the last. */
  add(batch: ChangeBatch): Promise<void> {
    return this.#waiting.add(batch)
  }

  /** What was added becomes a version of its own: its files are written from now on, while others are committed. */
  seal(): void {
    this.#waiting.seal()
  }

  /**
   * Puts the next of what was sealed into the lake, as one version; false when there is none.
   * @throws Superseded; errors of the object store, after which nobody knows whether it was committed
   */
  async commit(): Promise<boolean> {
    const next = this.#waiting.next
    if (next === undefined) return false
    // One that is committed already was not noted to its end, and is tried again because the log is gone.
    if (next.revision > this.archived) {
      if (next.kind === 'expiry') await this.#expire(next)
      else await this.#commit(next)
    }
    await this.#waiting.committed()
    await this.#rest()
    return true
  }

  /** Puts all that was added into the lake. Throws as `commit` does. */
  async commitAll(): Promise<void> {
    this.seal()
    for (let more = true; more; ) more = await this.commit()
  }

  /**
   * Puts the live rows of small or hollow files together, a few files at a time. No row changes, and no revision moves.
   * @throws Superseded
   */
  async compact(): Promise<boolean> {
    const { lake, now } = this.#options
    const chosen = planCompaction([...this.#state.files.values()], this.#options.places !== undefined)
    if (chosen.length === 0) return false
    await this.#inFolder('compaction', async folder => {
      const sources: SourceFile[] = []
      for (const file of chosen) {
        sources.push({ file: await downloadFile(lake, file, folder), deleted: await this.#vector(file) })
      }
      const local = join(folder, 'rewritten.parquet')
      const path = dataPath(randomUUID())
      const time = now()
      const written = await this.#parquet.use(parquet => parquet.rewrite(this.#schema, sources, local))
      const actions: Action[] = chosen.map(file => ({ remove: removeFile(file, time, false) }))
      if (written.rows > 0) {
        actions.push({ add: addFile(path, written, await uploadFile(lake, path, local), time, false) })
      }
      await this.#put('OPTIMIZE', actions)
      if (written.rows > 0) await this.#noteFile(path, local)
    })
    await this.#rest()
    return true
  }

  /** Ends the run; nothing may be called afterwards. What was added and not committed is read again by the next one. */
  async close(): Promise<void> {
    await this.#waiting.discard()
    await this.#parquet.close()
    await rm(this.#options.scratch, { recursive: true, force: true })
  }

  async #inFolder<T>(name: string, work: (folder: string) => Promise<T>): Promise<T> {
    const folder = join(this.#options.scratch, name)
    await mkdir(folder, { recursive: true })
    try {
      return await work(folder)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  async #commit(next: SealedWindow<WrittenWindow>): Promise<void> {
    const { now, table, lake } = this.#options
    const written = await next.written
    const { closed, changes } = written
    this.#backlog = next.full
    this.#schema = next.schema
    const time = now()
    const { actions, rowsPath } = await uploadWindow(lake, written, time)
    const ended = await this.#endRows(closed, time)
    const txn = { appId: appIdOf(table), version: next.revision, lastUpdated: time }
    const changed = changes !== undefined && ended.length === 0 ? [nothingRemoved(time)] : []
    await this.#put('WRITE', [...this.#newSchema(), ...actions, ...ended, ...changed, { txn }])
    if (rowsPath !== undefined) this.#note(rowsPath, closed.keys)
  }

  /** Takes the rows up to `expired` out, as the batch at `revision` says. */
  async #expire({ expired, revision, commitTime }: Expiry): Promise<void> {
    const { table, lake, now } = this.#options
    const time = now()
    const ended = await this.#inFolder('expiry', folder =>
      this.#parquet.use(parquet => endedBy({ lake }, this.#state.files.values(), expired, { parquet, folder })),
    )
    const actions = [
      ...(await this.#end(ended, time)),
      ...expiryMarks(table, expired, commitTime),
      { txn: { appId: appIdOf(table), version: revision, lastUpdated: time } },
    ]
    await this.#put('DELETE', actions)
  }

  /** Puts a commit. Throws Superseded when its version is another's. */
  async #put(operation: string, actions: readonly Action[]): Promise<void> {
    const { lake, now, places } = this.#options
    const version = this.#state.version + 1
    const timestamp = Math.max(now(), this.#state.timestamp + 1)
    const options = { commitId: randomUUID(), operation, timestamp }
    const outcome = await commit(lake, version, actions, options).catch(error => {
      // The version is long past: the lake has gone on and cleaned up behind it.
      if (!isBlastyError(error, 'LAKE_VERSION_EXPIRED')) throw error
      return { kind: 'taken' } as const
    })
    if (outcome.kind === 'taken') {
      // What was uploaded for it can never be committed, and what it holds may be about to be erased elsewhere.
      await removeAll(lake, uploadedFor(actions, this.#state, lake)).catch(() => {})
      throw new Superseded(`version ${version} is another's`)
    }
    this.#state = await advance(lake, this.#state)
    if (this.#state.version !== version) throw new Superseded(`version ${this.#state.version} is there already`)
    places?.keepOnly(this.#state.files)
    for (const path of this.#vectors.keys()) if (!this.#state.files.has(path)) this.#vectors.delete(path)
  }

  /** The metadata anew, when the schema has changed since. */
  #newSchema(): Action[] {
    const { metadata } = this.#state
    const metaData = metadataUnder(this.#schema, metadata)
    const same = metaData.schemaString === metadata.schemaString && schemaNumberOf(this.#state) === this.#schema.number
    return same ? [] : [{ metaData }]
  }

  /** Marks the rows deleted that the changed keys had in the lake. */
  async #endRows(closed: ClosedWindow, time: number): Promise<Action[]> {
    const ended = new Map<string, number[]>()
    for (const { key, existed } of closed.touched) {
      const place = await this.#placeOf(key)
      // The log and the lake must agree on what there was: going on would double a row, or lose one.
      if ((place !== undefined) !== existed) throw this.#disagree(place !== undefined, existed)
      if (place === undefined) continue
      const positions = ended.get(place.file)
      if (positions === undefined) ended.set(place.file, [place.position])
      else positions.push(place.position)
    }
    const partly = new Map<AddFile, readonly number[]>()
    for (const [path, positions] of ended) {
      const file = this.#state.files.get(path)
      if (file !== undefined) partly.set(file, positions)
    }
    return this.#end({ whole: [], partly }, time)
  }

  /** Removes files, and marks rows of others deleted. */
  async #end({ whole, partly }: Ended, time: number): Promise<Action[]> {
    const removed: AddFile[] = [...whole]
    const kept = new Map<AddFile, RowSet>()
    for (const [file, positions] of partly) {
      const vector = (await this.#vector(file)).add(positions)
      this.#vectors.set(file.path, vector)
      if (vector.cardinality < rowsOf(file)) kept.set(file, vector)
      removed.push(file)
    }
    return [
      ...removed.map(file => ({ remove: removeFile(file, time, true) })),
      ...(kept.size > 0 ? await this.#putVectors(kept) : []),
    ]
  }

  async #putVectors(vectors: ReadonlyMap<AddFile, RowSet>): Promise<Action[]> {
    const { lake } = this.#options
    const packed = packVectors(new Map([...vectors].map(([file, rows]) => [file.path, rows])))
    await lake.objects.put(lake.bucket, keyOfPath(lake, packed.path), packed.bytes, {
      type: 'application/octet-stream',
    })
    return [...vectors.keys()].flatMap(file => {
      const deletionVector = packed.descriptors.get(file.path)
      return deletionVector === undefined
        ? []
        : [{ add: { ...file, deletionVector, dataChange: true, stats: wideStats(file) } }]
    })
  }

  /** Where a key's row lies now; undefined when the lake has none. */
  async #placeOf(key: Buffer): Promise<Place | undefined> {
    const place = this.#options.places?.find(key)
    const file = place && this.#state.files.get(place.file)
    if (place === undefined || file === undefined) return undefined
    return (await this.#vector(file)).has(place.position) ? undefined : place
  }

  async #vector(file: AddFile): Promise<RowSet> {
    const known = this.#vectors.get(file.path)
    if (known !== undefined) return known
    const vector =
      file.deletionVector === undefined ? new RowSet() : await readVector(this.#options.lake, file.deletionVector)
    this.#vectors.set(file.path, vector)
    return vector
  }

  #note(path: string, keys: readonly Buffer[]): void {
    const noted = this.#options.places?.note(path)
    for (const [position, key] of keys.entries()) noted?.add(key, position)
    noted?.finish()
  }

  /** Notes the rows of every file that is not known yet, as in a cache that is new or behind. */
  async #noteFiles(): Promise<void> {
    const { places, lake, scratch } = this.#options
    if (places === undefined) return
    places.keepOnly(this.#state.files)
    for (const file of this.#state.files.values()) {
      if (places.knows(file.path)) continue
      const local = await downloadFile(lake, file, scratch)
      await this.#noteFile(file.path, local)
      await rm(local)
    }
  }

  async #noteFile(path: string, local: string): Promise<void> {
    const { places, table } = this.#options
    const file = this.#state.files.get(path)
    if (places === undefined || file === undefined) return
    const { codec, encodeKey } = table.schemas
    const noted = places.note(path)
    const source = { file: local, deleted: await this.#vector(file) }
    await this.#parquet.use(async parquet => {
      for await (const rows of parquet.read(this.#schema, source)) {
        for (const { position, body } of rows) noted.add(encodeKey(codec.decode(Buffer.from(body))), position)
      }
    })
    noted.finish()
  }

  /** Lets go of the database unless it is needed again at once. */
  async #rest(): Promise<void> {
    if (!this.#backlog && this.#waiting.next === undefined) await this.#parquet.close()
  }

  #disagree(present: boolean, existed: boolean): BlastyError {
    const problem = `the lake ${present ? 'holds' : 'lacks'} a row that the log ${existed ? 'had' : 'did not have'}`
    return new BlastyError('LAKE_CORRUPT', { lake: this.#options.table.log.table, problem })
  }
}
