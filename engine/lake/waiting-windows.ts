/** The windows of an archiver that wait for their commits, in the order of revisions; only the last still takes changes. */

import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ChangeBatch } from '../replica/change.ts'
import type { TableSchema } from '../schema/schema.ts'
import type { Schemas } from '../schema/schemas.ts'
import { AppendedWindow } from './appended-window.ts'
import { KeyedWindow } from './keyed-window.ts'
import type { ChangeWindow } from './window.ts'

/** One is committed while the next two are written: to have more of them ready would only take room. */
const maxSealed = 3

/** A window that takes changes, or did. */
export type OpenWindow = {
  readonly window: ChangeWindow
  /** What its rows are written under. */
  readonly schema: TableSchema
  /** Scratch folder of this window alone. */
  readonly folder: string
}

/** One that takes no more of them. `W` is what becomes of it before it is committed. */
export type SealedWindow<W> = OpenWindow & {
  readonly kind: 'window'
  readonly revision: number
  readonly full: boolean
  readonly written: Promise<W>
}

/**
 * A batch that takes rows out, up to revision `expired`. It is a version of its own, so that each version has, of the rows up to its
 * revision, just those that were there then.
 */
export type Expiry = Pick<ChangeBatch, 'revision' | 'commitTime'> & {
  readonly kind: 'expiry'
  readonly expired: number
}

export type WaitingOptions<W> = {
  readonly schemas: Schemas
  readonly keyed: boolean
  /** Rows up to this revision are gone from the lake. */
  readonly expired: number
  /** Where windows have their folders. */
  readonly folder: string
  /** Called for each window as soon as it is sealed. */
  readonly write: (sealed: OpenWindow) => Promise<W>
}

export class WaitingWindows<W> {
  readonly #options: WaitingOptions<W>
  readonly #sealed: (SealedWindow<W> | Expiry)[] = []
  #open: OpenWindow | undefined
  #schema: TableSchema
  #revision = 0
  #sealedRevision = 0
  #expired: number
  #opened = 0

  constructor(options: WaitingOptions<W>) {
    this.#options = options
    this.#schema = options.schemas.current
    this.#expired = options.expired
  }

  /** Revision of the last batch added, 0 at first. */
  get revision(): number {
    return this.#revision
  }

  /** Revision of the last batch in a window that is sealed or was committed, 0 at first. */
  get sealedRevision(): number {
    return this.#sealedRevision
  }

  /** True while a row that was changed waits, or is to be taken out. */
  get pending(): boolean {
    return this.open || this.#sealed.some(next => next.kind === 'expiry' || !next.window.empty)
  }

  /** True while a row that was changed is in no sealed window. */
  get open(): boolean {
    return this.#open !== undefined && !this.#open.window.empty
  }

  /** Nothing should be added before a window is sealed or committed. */
  get full(): boolean {
    return this.#open?.window.full === true || this.#sealed.length > maxSealed
  }

  /** True while another window may be sealed. */
  get sealable(): boolean {
    return this.#sealed.length < maxSealed
  }

  /** The next to be committed. */
  get next(): SealedWindow<W> | Expiry | undefined {
    return this.#sealed[0]
  }

  /** Takes in a batch that follows the last. One under a newer schema, or that takes rows out, seals what was before it. */
  async add(batch: ChangeBatch): Promise<void> {
    if (batch.schema > this.#schema.number) {
      this.seal()
      this.#schema = await this.#options.schemas.reach(batch.schema)
    }
    const { expired = 0, revision, commitTime } = batch
    if (expired > this.#expired) {
      this.seal()
      this.#expired = expired
      this.#revision = revision
      this.#sealedRevision = revision
      this.#sealed.push({ kind: 'expiry', expired, revision, commitTime })
      return
    }
    this.#open ??= await this.#openWindow()
    const { window } = this.#open
    try {
      await window.add(batch)
    } catch (error) {
      // It may hold half of the batch.
      this.#open = undefined
      this.#revision = this.#sealedRevision
      await window.discard()
      throw error
    }
    this.#revision = revision
  }

  /** Begins another window with the next batch. */
  seal(): void {
    const open = this.#open
    if (open === undefined) return
    this.#open = undefined
    this.#sealedRevision = this.#revision
    const written = this.#options.write(open)
    // Who commits the window hears of it.
    written.catch(() => {})
    const { revision, full } = open.window
    this.#sealed.push({ ...open, kind: 'window', revision, full, written })
  }

  /** The next was committed. */
  async committed(): Promise<void> {
    const committed = this.#sealed.shift()
    if (committed?.kind === 'window') await rm(committed.folder, { recursive: true, force: true })
  }

  /** Gives up whatever waits, when nothing of it is being written any more. */
  async discard(): Promise<void> {
    await this.#open?.window.discard()
    await Promise.allSettled(this.#sealed.map(next => (next.kind === 'window' ? next.written : undefined)))
  }

  async #openWindow(): Promise<OpenWindow> {
    const { folder: parent, keyed } = this.#options
    const folder = join(parent, `window-${++this.#opened}`)
    await mkdir(folder, { recursive: true })
    const window = keyed ? await KeyedWindow.open(folder) : new AppendedWindow(folder)
    return { window, schema: this.#schema, folder }
  }
}
