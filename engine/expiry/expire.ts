/** Removes the rows of a Table that were not written for longer than they are to be kept, for as long as it is asked to. */

import { setTimeout as sleep } from 'node:timers/promises'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import { expireRows } from '../log/control.ts'
import type { Table } from '../table.ts'
import { lookAtLake } from './appended.ts'
import { lookAtRows, removeRows } from './keyed.ts'
import { agreedNow, askServer } from './server.ts'

export type ExpiryProgress = {
  /** When the oldest row was committed that is there, in microseconds since 1970; undefined when there is none. */
  readonly oldest: number | undefined
  /** Rows removed since the work began, where there are keys. */
  readonly removed: number
  /** The revision up to which rows are gone, where there are none. */
  readonly expired: number
}

export type ExpiryOptions = {
  readonly table: Table
  /** How long a row is kept behind its last change, in seconds. */
  readonly retentionSeconds: number
  /** Folder for files on their way. */
  readonly scratch: string
  readonly signal: AbortSignal
  readonly onProgress: (progress: ExpiryProgress) => void
  /** Told what went wrong; it is tried again. */
  readonly onFailure: (error: unknown) => void
  /** Milliseconds since 1970, as this process and the log's server agree on. */
  readonly now?: () => Promise<number>
  /** From one look to the next at least, in milliseconds. */
  readonly restMillis?: number
  /** How full the log may be for deletes to be written, as a share of its size. */
  readonly fullShare?: number
}

const minRestMillis = 1_000
const hourMillis = 3_600_000
/** What a look costs is paid for by a pause so many times as long. */
const restLooks = 20
const maxFailurePauseMillis = 60_000
/**
 * From four fifths on what is archived is purged after ten minutes, so that there is room again; beyond this share the log is left to
 * those who write rows.
 */
const defaultFullShare = 0.85
const roomPauseMillis = 5_000

/** Works until the signal is aborted. Two that do so for one Table do no harm. */
export async function keepExpiring(options: ExpiryOptions): Promise<void> {
  const { retentionSeconds, signal, onFailure } = options
  const { restMillis = Math.min(hourMillis, Math.max(minRestMillis, retentionSeconds * 10)) } = options
  const work = new Expiry(options)
  for (let failures = 0; !signal.aborted; ) {
    let pause: number
    try {
      const started = performance.now()
      const rest = await work.look()
      failures = 0
      pause = Math.min(hourMillis, Math.max(restMillis, rest, restLooks * (performance.now() - started)))
    } catch (error) {
      if (signal.aborted) return
      // A replica that is opened anew is no failure.
      if (!isBlastyError(error, 'TABLE_NOT_READY')) onFailure(error)
      pause = Math.min(maxFailurePauseMillis, minRestMillis * 2 ** failures++)
    }
    await sleep(pause, undefined, { signal }).catch(() => {})
  }
}

/** One Table's work, look by look. */
export class Expiry {
  readonly #options: ExpiryOptions
  #removed = 0
  /** No row is too old before this, in milliseconds since 1970: those to come are younger. */
  #dueAt = 0

  constructor(options: ExpiryOptions) {
    this.#options = options
  }

  /** Removes what is too old; returns for how long nothing can be, in milliseconds. Throws what went wrong: the next look does the rest. */
  async look(): Promise<number> {
    const { table, retentionSeconds, now = () => agreedNow(table.log, Date.now) } = this.#options
    const time = await now()
    if (time >= this.#dueAt) {
      const cutoff = Math.round(time * 1000) - retentionSeconds * 1_000_000
      const oldest = table.keyed ? await this.#keyed(cutoff) : await this.#appended(cutoff)
      this.#dueAt = (oldest === undefined ? time : Math.ceil(oldest / 1000)) + retentionSeconds * 1000
    }
    return this.#dueAt - time
  }

  async #keyed(cutoff: number): Promise<number | undefined> {
    const { table, signal, onProgress } = this.#options
    const replica = await table.reached(0, 'rows', signal)
    const { due, oldest } = await lookAtRows(replica, cutoff, signal)
    const told = () => onProgress({ oldest, removed: this.#removed, expired: 0 })
    if (due !== undefined) {
      const onRemoved = (rows: number) => {
        this.#removed += rows
        told()
      }
      await removeRows(table, replica, due, { signal, room: () => this.#room(), onRemoved })
    }
    told()
    return oldest
  }

  async #appended(cutoff: number): Promise<number | undefined> {
    const { table, scratch, onProgress } = this.#options
    const { due, expired, oldest } = await lookAtLake(table, cutoff, scratch)
    if (due > expired) await expireUpTo(table, due)
    onProgress({ oldest, removed: 0, expired: due })
    return oldest
  }

  /** Waits until the log has room to spare. */
  async #room(): Promise<void> {
    const { table, signal, onFailure, fullShare = defaultFullShare } = this.#options
    for (let told = false; (await askServer(table.log)).full > fullShare; told = true) {
      if (!told) onFailure(new BlastyError('LOG_FULL', { table: table.log.table }))
      await sleep(roomPauseMillis, undefined, { signal })
    }
  }
}

async function expireUpTo({ log }: Table, revision: number): Promise<void> {
  try {
    await expireRows(log, revision)
  } catch (error) {
    // Another does the same at this moment; what it leaves is for the next look.
    if (!isBlastyError(error, 'REVISION_CONFLICT')) throw error
  }
}
