/** Records of the log on their way into Parquet, as lines in scratch files of a few mebibytes, written straight from where they lie. */

import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { giveBack } from '../../backends/streams/frames.ts'
import { recordLine } from './staged.ts'

/**
 * The database takes a file apart as a whole, into several times as much memory. Of small files it takes the same again and again,
 * of one of 32 MiB it is all new: that cost it a third of its time.
 */
const fileBytes = 2 * 1024 * 1024
/** Smaller ones are copied: a part for the system costs more than that. */
const smallBody = 8 * 1024

export class RecordFiles {
  readonly #directory: string
  readonly #files: string[] = []
  /** Of the file that comes next. */
  #parts: Uint8Array[] = []
  #bodies: Uint8Array[] = []
  #partBytes = 0
  #bytes = 0
  /** Resolves when the last file is written. */
  #writing: Promise<void> = Promise.resolve()

  /** `directory` is a scratch folder of these files alone. */
  constructor(directory: string) {
    this.#directory = directory
  }

  /** Bytes taken so far. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Takes a record over, with what all its rows have in common (`stagedHead`). Nobody else may have its body, whose memory is given
   * back. One call at a time; resolves when another may come, rejects when one before it could not be written.
   */
  async add(head: string, body: Uint8Array): Promise<void> {
    const line = recordLine(head, body)
    const bytes = line.reduce((sum, part) => sum + part.length, 0)
    if (body.length < smallBody) this.#parts.push(Buffer.concat(line, bytes))
    else {
      this.#parts.push(...line)
      this.#bodies.push(body)
    }
    this.#partBytes += bytes
    this.#bytes += bytes
    if (this.#partBytes >= fileBytes) await this.#next()
  }

  /** Ends the last file. Returns all of them, in the order of their records. */
  async close(): Promise<readonly string[]> {
    if (this.#parts.length > 0) await this.#next()
    await this.#writing
    return this.#files
  }

  /** Gives up what was taken, when nothing is being written any more. */
  async discard(): Promise<void> {
    this.#parts = []
    await this.#writing.catch(() => {})
  }

  /** Has what was taken written as a file, while the next is taken. */
  async #next(): Promise<void> {
    await this.#writing
    const path = join(this.#directory, `records-${this.#files.length}.ndjson`)
    this.#files.push(path)
    this.#writing = write(path, this.#parts, this.#bodies)
    // Who comes next hears of it.
    this.#writing.catch(() => {})
    this.#parts = []
    this.#bodies = []
    this.#partBytes = 0
  }
}

async function write(path: string, parts: Uint8Array[], bodies: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'w')
  try {
    await writeAll(file, parts)
  } finally {
    await file.close()
  }
  for (const body of bodies) giveBack(body)
}

/** The system may take less than it is given, as when a disk is nearly full. */
async function writeAll(file: FileHandle, parts: Uint8Array[]): Promise<void> {
  for (let rest = parts; rest.length > 0; ) {
    let { bytesWritten } = await file.writev(rest)
    rest = rest.flatMap(part => {
      const taken = Math.min(bytesWritten, part.length)
      bytesWritten -= taken
      return taken === part.length ? [] : [part.subarray(taken)]
    })
  }
}
