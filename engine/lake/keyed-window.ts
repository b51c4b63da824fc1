/** The window of a Table with a key: each change as a line, and the last version of each key. */

import { join } from 'node:path'
import type { Change, ChangeBatch, StoredRow } from '../replica/change.ts'
import { LineFile } from './lines.ts'
import type { ChangeType } from './parquet.ts'
import { stagedHead } from './staged.ts'
import type { ChangeWindow, ClosedWindow } from './window.ts'

/** At these bounds a window is full. Bytes of JSON. */
const maxHeldBytes = 32 * 1024 * 1024
const maxFileBytes = 64 * 1024 * 1024

/** Where a batch ends, without what it changed. */
type BatchPlace = Pick<ChangeBatch, 'revision' | 'commitTime'>

/** `row` undefined: deleted. `existed`: there was a row before the window. `batch`: the one that changed it last. */
type Touched = {
  readonly key: Buffer
  readonly row: StoredRow | undefined
  readonly existed: boolean
  readonly batch: BatchPlace
}

export class KeyedWindow implements ChangeWindow {
  readonly #directory: string
  /** The last version of each key that was changed. */
  readonly #rows = new Map<string, Touched>()
  readonly #file: LineFile
  #held = 0
  #revision = 0
  #committed = 0
  /** True while every change inserted a row and none was changed twice: then the rows tell all, and no change is written. */
  #insertsOnly = true

  private constructor(directory: string, file: LineFile) {
    this.#directory = directory
    this.#file = file
  }

  /** `directory` is a scratch folder of this window alone. */
  static async open(directory: string): Promise<KeyedWindow> {
    return new KeyedWindow(directory, await LineFile.open(join(directory, 'changes.ndjson')))
  }

  get empty(): boolean {
    return this.#rows.size === 0
  }

  get full(): boolean {
    return this.#held >= maxHeldBytes || this.#file.bytes >= maxFileBytes
  }

  get revision(): number {
    return this.#revision
  }

  async add(batch: ChangeBatch): Promise<void> {
    const { revision, commitTime, changes } = batch
    // Not the batch itself, which would keep its old rows in memory.
    const place = { revision, commitTime }
    for (const change of changes) await this.#change(place, change)
    this.#revision = revision
    this.#committed = Math.max(this.#committed, commitTime)
  }

  async close(): Promise<ClosedWindow> {
    await this.#file.close()
    const all = [...this.#rows.values()].sort((a, b) => Buffer.compare(a.key, b.key))
    const live = all.flatMap(({ key, row, batch }) => (row === undefined ? [] : [{ key, row, batch }]))
    return {
      rows: await this.#writeRows(live),
      changes: this.#insertsOnly ? undefined : this.#file.path,
      keys: live.map(({ key }) => key),
      touched: all,
      committed: this.#committed,
    }
  }

  discard(): Promise<void> {
    return this.#file.discard()
  }

  async #change(batch: BatchPlace, change: Change): Promise<void> {
    const { key, old, new: next } = change
    const name = key.toString('latin1')
    const before = this.#rows.get(name)
    if (this.#insertsOnly && (before !== undefined || old !== undefined)) await this.#writeInserts()
    this.#held += (next?.body.length ?? 0) - (before?.row?.body.length ?? 0) + (before === undefined ? key.length : 0)
    this.#rows.set(name, { key, row: next, existed: before?.existed ?? old !== undefined, batch })
    if (!this.#insertsOnly) await this.#file.write(linesOf(batch, change))
  }

  /** Makes up for what was not written: so far each key was changed once, and they stand in that order. */
  async #writeInserts(): Promise<void> {
    this.#insertsOnly = false
    for (const { key, row, batch } of this.#rows.values())
      await this.#file.write(linesOf(batch, { key, old: undefined, new: row }))
  }

  async #writeRows(
    rows: readonly { readonly row: StoredRow; readonly batch: BatchPlace }[],
  ): Promise<ClosedWindow['rows']> {
    if (rows.length === 0) return undefined
    const file = await LineFile.open(join(this.#directory, 'rows.ndjson'))
    try {
      for (const { row, batch } of rows) await file.write(lineOf(row, batch.revision))
    } finally {
      await file.close()
    }
    return { file: file.path, lines: 'rows' }
  }
}

/** A change as lines: the row before it and behind it, as far as there is one. */
function linesOf({ revision, commitTime }: BatchPlace, { old, new: next }: Change): string {
  const place = `"_blasty_revision":${next?.revision ?? revision},"_blasty_batch_time":${commitTime}`
  const line = (type: ChangeType, row: StoredRow | undefined) =>
    row === undefined ? '' : lineOf(row, revision, `,"_change_type":"${type}",${place}`)
  return (
    line(next === undefined ? 'delete' : 'update_preimage', old) +
    line(old === undefined ? 'insert' : 'update_postimage', next)
  )
}

/** A stored row as a line; every row of a keyed Table has its key, so none is empty. */
function lineOf({ revision, commitTime, body }: StoredRow, batchEnd: number, more = ''): string {
  const row = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8', 1)
  return `{${stagedHead(revision, commitTime, batchEnd)}${more},${row}\n`
}
