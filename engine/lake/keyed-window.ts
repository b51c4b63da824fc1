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

/** `row` undefined: deleted. `existed`: there was a row before the window. `batchEnd`: of the batch that changed it last. */
type Touched = {
  readonly key: Buffer
  readonly row: StoredRow | undefined
  readonly existed: boolean
  readonly batchEnd: number
}

export class KeyedWindow implements ChangeWindow {
  readonly #directory: string
  /** The last version of each key that was changed. */
  readonly #rows = new Map<string, Touched>()
  readonly #file: LineFile
  #held = 0
  #revision = 0
  #committed = 0
  /** True while every change inserted a row and none was changed twice. */
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
    return this.#file.bytes === 0
  }

  get full(): boolean {
    return this.#held >= maxHeldBytes || this.#file.bytes >= maxFileBytes
  }

  get revision(): number {
    return this.#revision
  }

  async add(batch: ChangeBatch): Promise<void> {
    for (const change of batch.changes) await this.#change(batch, change)
    this.#revision = batch.revision
    this.#committed = Math.max(this.#committed, batch.commitTime)
  }

  async close(): Promise<ClosedWindow> {
    await this.#file.close()
    const all = [...this.#rows.values()].sort((a, b) => Buffer.compare(a.key, b.key))
    const live = all.flatMap(({ key, row, batchEnd }) => (row === undefined ? [] : [{ key, row, batchEnd }]))
    return {
      rows: await this.#writeRows(live),
      changes: this.empty || this.#insertsOnly ? undefined : this.#file.path,
      keys: live.map(({ key }) => key),
      touched: all,
      committed: this.#committed,
    }
  }

  discard(): Promise<void> {
    return this.#file.discard()
  }

  async #change(batch: ChangeBatch, { key, old, new: next }: Change): Promise<void> {
    const name = key.toString('latin1')
    const before = this.#rows.get(name)
    this.#held += (next?.body.length ?? 0) - (before?.row?.body.length ?? 0) + (before === undefined ? key.length : 0)
    this.#rows.set(name, { key, row: next, existed: before?.existed ?? old !== undefined, batchEnd: batch.revision })
    if (before !== undefined || old !== undefined) this.#insertsOnly = false
    const place = `"_blasty_revision":${next?.revision ?? batch.revision},"_blasty_batch_time":${batch.commitTime}`
    const line = (type: ChangeType, row: StoredRow | undefined) =>
      row === undefined ? [] : lineOf(row, batch.revision, `,"_change_type":"${type}",${place}`)
    await this.#file.write(
      ...line(next === undefined ? 'delete' : 'update_preimage', old),
      ...line(old === undefined ? 'insert' : 'update_postimage', next),
    )
  }

  async #writeRows(
    rows: readonly { readonly row: StoredRow; readonly batchEnd: number }[],
  ): Promise<ClosedWindow['rows']> {
    if (rows.length === 0) return undefined
    const file = await LineFile.open(join(this.#directory, 'rows.ndjson'))
    try {
      for (const { row, batchEnd } of rows) await file.write(...lineOf(row, batchEnd))
    } finally {
      await file.close()
    }
    return { file: file.path, lines: 'rows' }
  }
}

/** The parts of a stored row's line; every row of a keyed Table has its key, so none is empty. */
function lineOf(
  { revision, commitTime, body }: StoredRow,
  batchEnd: number,
  more = '',
): readonly (string | Uint8Array)[] {
  return [`{${stagedHead(revision, commitTime, batchEnd)}${more},`, body.subarray(1), '\n']
}
