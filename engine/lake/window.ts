/** The changes that go into one commit of the lake: lines of JSON in scratch files, and what is left of each key in memory. */

import { join } from 'node:path'
import type { Change, ChangeBatch, StoredRow } from '../replica/change.ts'
import { LineFile } from './lines.ts'
import type { ChangeType } from './parquet.ts'

/** At these bounds a window is full, however young it is. Bytes of JSON. */
const maxHeldBytes = 32 * 1024 * 1024
const maxFileBytes = 64 * 1024 * 1024

export type ClosedWindow = {
  /** Lines of rows to be written, if there are any. */
  readonly rows: string | undefined
  /**
   * Lines of changes. There are none when each row is there because it was inserted once: then the rows are the changes, and
   * engines take them for that.
   */
  readonly changes: string | undefined
  /** Keys of the rows to be written, in the order of their lines. */
  readonly keys: readonly Buffer[]
  /** Every key that was changed, and whether it had a row before: what the lake holds of it has ended. */
  readonly touched: readonly { readonly key: Buffer; readonly existed: boolean }[]
  /** When the latest of its batches was committed, in microseconds since 1970. */
  readonly committed: number
}

/** `row` undefined: deleted. `existed`: there was a row before the window. `batchEnd`: of the batch that changed it last. */
type Touched = {
  readonly key: Buffer
  readonly row: StoredRow | undefined
  readonly existed: boolean
  readonly batchEnd: number
}

export class ChangeWindow {
  readonly #directory: string
  readonly #keyed: boolean
  /** The last version of each key that was changed. */
  readonly #rows = new Map<string, Touched>()
  readonly #file: LineFile
  #held = 0
  #revision = 0
  #committed = 0
  /** True while every change inserted a row and none was changed twice. */
  #insertsOnly = true

  /** `directory` is a scratch folder of this window alone. */
  constructor(directory: string, keyed: boolean) {
    this.#directory = directory
    this.#keyed = keyed
    this.#file = new LineFile(join(directory, 'changes.ndjson'))
  }

  /** True while no row was changed. */
  get empty(): boolean {
    return this.#file.length === 0
  }

  get full(): boolean {
    return this.#held >= maxHeldBytes || this.#file.length >= maxFileBytes
  }

  /** Revision of the last batch added. */
  get revision(): number {
    return this.#revision
  }

  async add(batch: ChangeBatch): Promise<void> {
    if (this.#keyed) for (const change of batch.changes) await this.#change(batch, change)
    else await this.#append(batch)
    this.#revision = batch.revision
    this.#committed = Math.max(this.#committed, batch.commitTime)
  }

  /** Ends the window. */
  async close(): Promise<ClosedWindow> {
    await this.#file.close()
    const committed = this.#committed
    if (!this.#keyed) {
      return { rows: this.empty ? undefined : this.#file.path, changes: undefined, keys: [], touched: [], committed }
    }
    const all = [...this.#rows.values()].sort((a, b) => Buffer.compare(a.key, b.key))
    const live = all.flatMap(({ key, row, batchEnd }) => (row === undefined ? [] : [{ key, row, batchEnd }]))
    return {
      rows: await this.#writeRows(live),
      changes: this.empty || this.#insertsOnly ? undefined : this.#file.path,
      keys: live.map(({ key }) => key),
      touched: all,
      committed,
    }
  }

  discard(): void {
    this.#file.destroy()
  }

  async #change(batch: ChangeBatch, { key, old, new: next }: Change): Promise<void> {
    const name = key.toString('latin1')
    const before = this.#rows.get(name)
    this.#held += (next?.body.length ?? 0) - (before?.row?.body.length ?? 0) + (before === undefined ? key.length : 0)
    this.#rows.set(name, { key, row: next, existed: before?.existed ?? old !== undefined, batchEnd: batch.revision })
    if (before !== undefined || old !== undefined) this.#insertsOnly = false
    const place = `"_blasty_revision":${next?.revision ?? batch.revision},"_blasty_batch_time":${batch.commitTime}`
    const line = (type: ChangeType, row: StoredRow | undefined) =>
      row === undefined ? '' : lineOf(row, batch.revision, `,"_change_type":"${type}",${place}`)
    await this.#file.write(
      line(next === undefined ? 'delete' : 'update_preimage', old) +
        line(old === undefined ? 'insert' : 'update_postimage', next),
    )
  }

  async #append(batch: ChangeBatch): Promise<void> {
    for (const { revision, body } of batch.appended ?? []) {
      const head = headOf(revision, batch.commitTime, batch.revision)
      const rows = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8', 1, body.length - 1)
      // Each row stands on a line of its own, and no value of JSON holds a bare line feed.
      const lines = `,\n${rows}`.replaceAll(',\n{"', `\n{${head},"`).replaceAll(',\n{}', `\n{${head}}`)
      await this.#file.write(`${lines.slice(1)}\n`)
    }
  }

  async #writeRows(
    rows: readonly { readonly row: StoredRow; readonly batchEnd: number }[],
  ): Promise<string | undefined> {
    if (rows.length === 0) return undefined
    const file = new LineFile(join(this.#directory, 'rows.ndjson'))
    for (const { row, batchEnd } of rows) await file.write(lineOf(row, batchEnd))
    await file.close()
    return file.path
  }
}

const headOf = (revision: number, commitTime: number, batchEnd: number) =>
  `"_revision":${revision},"_commit_time":${commitTime},"_blasty_batch_end":${batchEnd}`

/** A stored row as a line; every row of a keyed Table has its key, so none is empty. */
function lineOf({ revision, commitTime, body }: StoredRow, batchEnd: number, more = ''): string {
  const row = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8', 1)
  return `{${headOf(revision, commitTime, batchEnd)}${more},${row}\n`
}
