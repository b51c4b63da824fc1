/** The window of an append-only Table: its records as they lie in the log. */

import type { ChangeBatch } from '../replica/change.ts'
import { RecordFiles } from './record-files.ts'
import { stagedHead } from './staged.ts'
import type { ChangeWindow, ClosedWindow } from './window.ts'

/** Small enough that the next is read while one is written, large enough that the commits, one after another, are not waited for. */
const maxBytes = 64 * 1024 * 1024

export class AppendedWindow implements ChangeWindow {
  readonly #files: RecordFiles
  #revision = 0
  #committed = 0

  /** `directory` is a scratch folder of this window alone; it must exist. */
  constructor(directory: string) {
    this.#files = new RecordFiles(directory)
  }

  get empty(): boolean {
    return this.#files.bytes === 0
  }

  get full(): boolean {
    return this.#files.bytes >= maxBytes
  }

  get revision(): number {
    return this.#revision
  }

  /** Nobody else may have the records: their memory is given back. */
  async add(batch: ChangeBatch): Promise<void> {
    for (const { revision, body } of batch.appended ?? [])
      await this.#files.add(stagedHead(revision, batch.commitTime, batch.revision), body)
    this.#revision = batch.revision
    this.#committed = Math.max(this.#committed, batch.commitTime)
  }

  async close(): Promise<ClosedWindow> {
    const files = await this.#files.close()
    return {
      rows: files.length === 0 ? undefined : { lines: 'records', files },
      changes: undefined,
      keys: [],
      touched: [],
      committed: this.#committed,
    }
  }

  discard(): Promise<void> {
    return this.#files.discard()
  }
}
