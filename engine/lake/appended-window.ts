/** The window of an append-only Table: its records as they lie in the log. */

import { join } from 'node:path'
import type { ChangeBatch } from '../replica/change.ts'
import { LineFile } from './lines.ts'
import { recordLine, stagedHead } from './staged.ts'
import type { ChangeWindow, ClosedWindow } from './window.ts'

/** Small enough that the next is read while one is written, large enough for files that need not be put together at once. */
const maxFileBytes = 32 * 1024 * 1024

export class AppendedWindow implements ChangeWindow {
  readonly #file: LineFile
  #revision = 0
  #committed = 0

  private constructor(file: LineFile) {
    this.#file = file
  }

  /** `directory` is a scratch folder of this window alone. */
  static async open(directory: string): Promise<AppendedWindow> {
    return new AppendedWindow(await LineFile.open(join(directory, 'records.ndjson')))
  }

  get empty(): boolean {
    return this.#file.bytes === 0
  }

  get full(): boolean {
    return this.#file.bytes >= maxFileBytes
  }

  get revision(): number {
    return this.#revision
  }

  async add(batch: ChangeBatch): Promise<void> {
    for (const { revision, body } of batch.appended ?? [])
      await this.#file.write(...recordLine(stagedHead(revision, batch.commitTime, batch.revision), body))
    this.#revision = batch.revision
    this.#committed = Math.max(this.#committed, batch.commitTime)
  }

  async close(): Promise<ClosedWindow> {
    await this.#file.close()
    return {
      rows: this.empty ? undefined : { file: this.#file.path, lines: 'records' },
      changes: undefined,
      keys: [],
      touched: [],
      committed: this.#committed,
    }
  }

  discard(): Promise<void> {
    return this.#file.discard()
  }
}
