/**
 * Forgetting in the lake: data files that hold rows of the keys are written anew without them, and the history is cut behind that.
 *
 * The cut is a commit that changes nothing. What was uploaded before it and is named by no version since can never be committed any
 * more, since its version is taken, so it goes without waiting, whoever left it there.
 */

import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import { type Action, type AddFile, logicalFile, type Txn } from '../lake/delta/actions.ts'
import { writeCheckpoint } from '../lake/delta/checkpoint.ts'
import { isOurName, removeAll, removeBelow, vacuum } from '../lake/delta/clean-up.ts'
import { commit } from '../lake/delta/commit.ts'
import { readVector } from '../lake/delta/deletion-vector.ts'
import {
  checkpointKeys,
  commitKey,
  type DeltaLake,
  dataPath,
  keyOfPath,
  lakeName,
  listLog,
} from '../lake/delta/lake.ts'
import { lowestLease, raiseFloor } from '../lake/delta/leases.ts'
import { type LakeState, readState } from '../lake/delta/state.ts'
import { addFile, eraseAppIdOf, firstRevisionOf, removeFile, schemaNumberOf } from '../lake/files.ts'
import { downloadFile, uploadFile } from '../lake/objects.ts'
import { ParquetFiles } from '../lake/parquet.ts'
import type { Table } from '../table.ts'
import type { Targets } from './targets.ts'

const limits = { memory: '512MB', threads: 1 }
/** Stores tell the time of objects by the second: what was put before a pause of that length is older than what is put behind it. */
const defaultSettleMillis = 1_000
/** How often it is looked whether leases have ended. */
const leasePollMillis = 200

export type LakeErasing = {
  readonly table: Pick<Table, 'lake' | 'log' | 'schemas'>
  readonly targets: Targets
  /** Folder for files on their way. */
  readonly scratch: string
  readonly signal: AbortSignal
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly settleMillis?: number
}

export type LakeErased = {
  /** The version that the lake's history begins with now. */
  readonly version: number
  /** Data files looked through, and those of them that were written anew. */
  readonly files: number
  readonly rewritten: number
  /** Objects removed: files of versions that are gone, and what was never committed. */
  readonly objects: number
}

/**
 * The lake must hold the last revision of the targets. Stopped anywhere and done again it goes on.
 * @throws LAKE_CORRUPT, LAKE_UNSUPPORTED, errors of the store, the signal's reason
 */
export async function eraseFromLake(options: LakeErasing): Promise<LakeErased> {
  const folder = join(options.scratch, `erase-${randomUUID()}`)
  await mkdir(folder, { recursive: true })
  const parquet = await ParquetFiles.open(folder, limits)
  try {
    return await new Erasing(options, folder, parquet).run()
  } finally {
    parquet.close()
    await rm(folder, { recursive: true, force: true })
  }
}

class Erasing {
  readonly #options: LakeErasing
  readonly #folder: string
  readonly #parquet: ParquetFiles
  /** Paths of files that hold nothing of the keys. What lies under a path never changes. */
  readonly #clean = new Set<string>()
  #looked = 0
  #rewritten = 0

  constructor(options: LakeErasing, folder: string, parquet: ParquetFiles) {
    this.#options = options
    this.#folder = folder
    this.#parquet = parquet
  }

  async run(): Promise<LakeErased> {
    const { table, scratch } = this.#options
    const { lake } = table
    const version = await this.#cut()
    const checkpoint = { version, keys: checkpointKeys(lake, version) }
    await writeCheckpoint(lake, await this.#state(version), scratch)
    let objects = 0
    do {
      await this.#released(version)
      await removeBelow(lake, checkpoint)
      objects += await this.#sweep(version)
      // An archiver that was about to write a checkpoint may have put an older one meanwhile.
    } while ((await listLog(lake)).keys.some(key => key.version < version))
    objects += await lake.objects.removeNoncurrent(lake.bucket, `${lake.root}/`)
    return { version, files: this.#looked, rewritten: this.#rewritten, objects }
  }

  /** Writes dirty files anew until there is none, and commits the cut behind that. Returns its version. */
  async #cut(): Promise<number> {
    const { table, targets, now, settleMillis = defaultSettleMillis, signal } = this.#options
    for (let settled = false; ; ) {
      signal.throwIfAborted()
      const state = await this.#state()
      await table.schemas.reach(schemaNumberOf(state))
      const dirty = await this.#firstDirty(state)
      if (dirty !== undefined) {
        await this.#rewrite(state, dirty)
        continue
      }
      if (!settled) {
        await sleep(settleMillis, undefined, { signal })
        settled = true
        continue
      }
      const appId = eraseAppIdOf(table)
      const before = state.txns.get(appId)
      const txn: Txn = {
        appId,
        version: Math.max(targets.revision, before?.version ?? 0),
        lastUpdated: Math.max(now(), (before?.lastUpdated ?? 0) + 1),
      }
      if (await this.#put(state, 'ERASE', [{ txn }])) return state.version + 1
    }
  }

  async #state(version?: number): Promise<LakeState> {
    const { lake } = this.#options.table
    const state = await readState(lake, version)
    if (state === undefined) throw new BlastyError('LAKE_CORRUPT', { lake: lakeName(lake), problem: 'it is not there' })
    return state
  }

  /** False when the version is another's. */
  async #put(state: LakeState, operation: string, actions: readonly Action[]): Promise<boolean> {
    const { table, now } = this.#options
    const timestamp = Math.max(now(), state.timestamp + 1)
    const options = { commitId: randomUUID(), operation, timestamp }
    try {
      return (await commit(table.lake, state.version + 1, actions, options)).kind === 'committed'
    } catch (error) {
      // Another's cut has come, and its clean-up.
      if (!isBlastyError(error, 'LAKE_VERSION_EXPIRED')) throw error
      return false
    }
  }

  async #firstDirty(state: LakeState): Promise<AddFile | undefined> {
    const { targets } = this.#options
    for (const file of state.files.values()) {
      if (this.#clean.has(file.path)) continue
      this.#looked++
      if (firstRevisionOf(file) <= targets.revision && (await this.#isDirty(file))) return file
      this.#clean.add(file.path)
    }
    return undefined
  }

  /** Whether a file holds, deleted or not, a row of the keys as it was up to its erasure. */
  async #isDirty(file: AddFile): Promise<boolean> {
    const { table, targets, signal } = this.#options
    const { current, codec, encodeKey } = table.schemas
    const keyed = { ...current, columns: current.columns.filter(({ name }) => current.primaryKey.includes(name)) }
    const local = await downloadFile(table.lake, file, this.#folder)
    try {
      for await (const rows of this.#parquet.read(keyed, { file: local, deleted: [] })) {
        signal.throwIfAborted()
        const found = ({ revision, body }: (typeof rows)[number]) =>
          targets.covers(encodeKey(codec.decode(Buffer.from(body))), revision)
        if (rows.some(found)) return true
      }
      return false
    } finally {
      await rm(local, { force: true })
    }
  }

  /** Puts the live rows of a file into another. Beside an archiver that commits all the while it is tried again, without reading anew. */
  async #rewrite(state: LakeState, file: AddFile): Promise<void> {
    const { table, now } = this.#options
    const { lake, schemas } = table
    const deleted = file.deletionVector === undefined ? [] : await readVector(lake, file.deletionVector)
    const local = await downloadFile(lake, file, this.#folder)
    const out = join(this.#folder, 'rewritten.parquet')
    const written = await this.#parquet.rewrite(schemas.current, [{ file: local, deleted }], out)
    await rm(local)
    const time = now()
    const actions: Action[] = [{ remove: removeFile(file, time, false) }]
    if (written.rows > 0) {
      const path = dataPath(randomUUID())
      actions.push({ add: addFile(path, written, await uploadFile(lake, path, out), time, false) })
    }
    const cut = state.txns.get(eraseAppIdOf(table))?.lastUpdated
    for (let newest = state; ; newest = await this.#state()) {
      const same = newest.files.get(file.path)
      // Changed or gone; or another's cut has come, which may have swept away what was uploaded here.
      if (same === undefined || logicalFile(same) !== logicalFile(file)) return
      if (newest.txns.get(eraseAppIdOf(table))?.lastUpdated !== cut) return
      if (!(await this.#put(newest, 'OPTIMIZE', actions))) continue
      this.#rewritten++
      return
    }
  }

  /** Waits until nobody reads a version from before the cut: exports and backfills hold leases, and nobody gets another. */
  async #released(cut: number): Promise<void> {
    const { table, signal } = this.#options
    await raiseFloor(table.lake, cut)
    while (((await lowestLease(table.lake)) ?? cut) < cut) await sleep(leasePollMillis, undefined, { signal })
  }

  /** Removes what no version names since the cut. */
  async #sweep(cut: number): Promise<number> {
    const { lake } = this.#options.table
    const state = await this.#state()
    const olderThan = await putTime(lake, commitKey(lake, cut))
    const { objects } = await vacuum(lake, state, { olderThan, keep: () => false, leastAgeMillis: 0 })
    // Of another engine's names only what was removed from the Table is known to be of no use.
    const others = [...state.tombstones.values()].filter(({ path }) => !isOurName(path) && !state.files.has(path))
    await removeAll(
      lake,
      others.map(({ path }) => keyOfPath(lake, path)),
    )
    return objects
  }
}

/** When an object was put, by the store's clock. */
async function putTime(lake: DeltaLake, key: string): Promise<number> {
  for await (const object of lake.objects.list(lake.bucket, key)) if (object.key === key) return object.modified
  throw new BlastyError('LAKE_CORRUPT', { lake: lakeName(lake), problem: `${key} is not listed` })
}
