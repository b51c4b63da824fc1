/**
 * Makes every store of a Table forget the rows that erasures name. Any number may be at it for one Table, stop anywhere and begin
 * again: each step is safe to repeat, and the record in the log stays until the last of them.
 */

import type { Search } from '../../backends/search/search.ts'
import { BlastyError } from '../../base/errors.ts'
import { readState } from '../lake/delta/state.ts'
import { demandArchive } from '../lake/demand.ts'
import { archivedRevision } from '../lake/files.ts'
import { type PendingErasure, pendingErasures } from '../log/erasures.ts'
import { readableEnd } from '../log/log.ts'
import type { Table } from '../table.ts'
import { type TableParts, workUntil } from '../until.ts'
import { eraseFromFeed, routerReached } from './feed.ts'
import { eraseFromLake } from './lake.ts'
import { eraseFromLog, eraseRequests } from './log.ts'
import { type ErasureProof, isDone, newProof, readProof, type StoreProof, withStore, writeProof } from './proof.ts'
import { indexReached, leftInIndex } from './search.ts'
import { type Targets, targetsOf } from './targets.ts'

/** What hangs on a Table, as it is served now. */
export type Dependents = {
  readonly indexes: readonly { readonly name: string; readonly index: string; readonly search: Search }[]
  readonly subscriptions: readonly { readonly name: string; readonly stream: string }[]
}

export type EraseOptions = {
  readonly table: Table
  readonly dependents: () => Dependents
  /** Folder for files on their way. */
  readonly scratch: string
  readonly signal: AbortSignal
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** Told of each proof that was written. */
  readonly onProof?: (proof: ErasureProof) => void
  readonly settleMillis?: number
}

/**
 * Does what can be done for the erasures that the log holds. Returns how many of them are left: those wait for somebody, and have to be
 * looked at again. What becomes of blobs comes afterwards (`blobs.ts`).
 * @throws what the stores throw, the signal's reason
 */
export function eraseOnce(options: EraseOptions): Promise<number> {
  return workUntil(options.table, options.signal, table => eraseNow({ ...options, table }))
}

type Erasing = Omit<EraseOptions, 'table'> & { readonly table: TableParts }

async function eraseNow(options: Erasing): Promise<number> {
  const { table, signal } = options
  const pending = await pendingErasures(table.log)
  if (pending.length === 0) return 0
  const round = await Round.begin(options, pending)
  if (!(await round.allReached())) return pending.length
  await round.forget()
  // What was made meanwhile may hold what it read before the cut.
  if (!round.isWhole()) return pending.length
  signal.throwIfAborted()
  await eraseRequests(
    table.log,
    pending.map(({ id }) => id),
    round.targets.revision,
  )
  return 0
}

/** Erasures that are done together. */
class Round {
  readonly targets: Targets
  readonly #options: Erasing
  readonly #dependents: Dependents
  #proofs: ErasureProof[]

  private constructor(options: Erasing, pending: readonly PendingErasure[], proofs: ErasureProof[]) {
    this.#options = options
    this.#dependents = options.dependents()
    this.targets = targetsOf(pending)
    this.#proofs = proofs
  }

  static async begin(options: Erasing, pending: readonly PendingErasure[]): Promise<Round> {
    const { table } = options
    const proofs: ErasureProof[] = []
    for (const erasure of pending) {
      const known = await readProof(table.lake, erasure.id)
      // One of the same name and another revision is of a log that is no more.
      proofs.push(known?.revision === erasure.revision ? known : newProof(erasure, table.log.epoch))
    }
    return new Round(options, pending, proofs)
  }

  /**
   * Whether every store has come to the last erasure, so that nobody needs the history any more. It is the stores themselves that are
   * asked: what is reported of them may be of before.
   */
  async allReached(): Promise<boolean> {
    const { table } = this.#options
    const { revision } = this.targets
    const { log } = table
    const state = await readState(table.lake)
    const archived = state === undefined ? 0 : archivedRevision(state, table)
    if (archived < revision) demandArchive(table, revision)
    let all = await this.#reached('lake', archived >= revision)
    for (const { name, index, search } of this.#dependents.indexes)
      all = (await this.#reached(`index ${name}`, await indexReached(search, index, log.epoch, revision))) && all
    for (const { name, stream } of this.#dependents.subscriptions) {
      const reached = await routerReached(log.streams, stream, log.epoch, revision)
      all = (await this.#reached(`subscription ${name}`, reached)) && all
    }
    await this.#say('log', { state: 'Waiting', reason: 'the lake comes first' })
    await this.#say('blobs', { state: 'Waiting', reason: 'the log and the lake come first' })
    return all
  }

  /** Makes each store forget. The lake first, so that whoever finds holes in the log finds rows in the lake without what was there. */
  async forget(): Promise<void> {
    const { table, signal } = this.#options
    const { targets } = this
    await this.#step('lake', async () => {
      const { version, files, rewritten, objects } = await eraseFromLake({ now: Date.now, ...this.#options, targets })
      const looked = `${files} data files; the history begins with version ${version}`
      return { looked, removed: rewritten + objects }
    })
    await this.#step('log', async () => ({
      looked: 'every revision of the keys up to the erasure',
      removed: await eraseFromLog(table.log, targets, signal),
    }))
    for (const { name, stream } of this.#dependents.subscriptions) {
      await this.#step(`subscription ${name}`, async () => ({
        looked: 'every event that was not acknowledged',
        removed: await eraseFromFeed(table, stream, targets, signal),
      }))
    }
    for (const { name, index, search } of this.#dependents.indexes) {
      await this.#step(`index ${name}`, async () => {
        const left = await leftInIndex(search, index, targets)
        if (left === 0) return { looked: 'the document of each key', removed: 0 }
        throw new BlastyError('INDEX_NOT_READY', {
          index: name,
          reason: `it still has ${left} documents that are erased`,
        })
      })
    }
    // The archiver finds the cut when it next commits, and gives up what it noted of keys.
    demandArchive(table, await readableEnd(table.log))
  }

  /** Whether nothing hangs on the Table by now that has not forgotten. */
  isWhole(): boolean {
    const { indexes, subscriptions } = this.#options.dependents()
    const stores = [
      ...indexes.map(({ name }) => `index ${name}`),
      ...subscriptions.map(({ name }) => `subscription ${name}`),
    ]
    return stores.every(store => this.#proofs.every(proof => isDone(proof, store)))
  }

  async #reached(store: string, reached: boolean): Promise<boolean> {
    const reason = reached ? 'others come first' : 'it has not come to the erasure yet'
    await this.#say(store, { state: 'Waiting', reason })
    return reached
  }

  /** Does a step unless it is done for all of the erasures, and says so. */
  async #step(
    store: string,
    work: () => Promise<{ readonly looked: string; readonly removed: number }>,
  ): Promise<void> {
    this.#options.signal.throwIfAborted()
    if (this.#proofs.every(proof => isDone(proof, store))) return
    const { looked, removed } = await work()
    const time = new Date((this.#options.now ?? Date.now)()).toISOString()
    await this.#say(store, { state: 'Done', looked, removed, time })
  }

  /** Writes what is new of a store into the proofs. What is done stays so. */
  async #say(store: string, said: StoreProof): Promise<void> {
    const { table, onProof } = this.#options
    this.#proofs = await Promise.all(
      this.#proofs.map(async proof => {
        if (isDone(proof, store) || JSON.stringify(proof.stores[store]) === JSON.stringify(said)) return proof
        const next = withStore(proof, store, said)
        await writeProof(table.lake, next)
        onProof?.(next)
        return next
      }),
    )
  }
}
