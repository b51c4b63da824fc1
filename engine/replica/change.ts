/** What changed: a batch of the log together with the rows as they were, in memory and in the ring on disk. */

import { revisionIn } from '../log/control.ts'
import type { LogBatch, LogRecord } from '../log/record.ts'
import type { RowCodec } from '../schema/rows.ts'
import type { Row } from '../schema/schema.ts'

/** One version of a row. Parsed once, on demand, however many readers look at it. */
export class StoredRow {
  /** The row's own revision. */
  readonly revision: number
  /** Microseconds since 1970. */
  readonly commitTime: number
  /** The row as JSON, as it lies in the log. */
  readonly body: Uint8Array
  #row: Row | undefined
  #codec: RowCodec | undefined

  constructor(revision: number, commitTime: number, body: Uint8Array) {
    this.revision = revision
    this.commitTime = commitTime
    this.body = body
  }

  /** The row under a schema: retired columns gone, absent ones null. */
  row(codec: RowCodec): Row {
    if (this.#row === undefined || this.#codec !== codec) {
      this.#row = codec.decode(this.body)
      this.#codec = codec
    }
    return this.#row
  }
}

/** One row before and after. Of an append there is only the after, and no key. */
export type Change = {
  readonly key: Buffer
  readonly old: StoredRow | undefined
  /** Undefined: the row was deleted. */
  readonly new: StoredRow | undefined
}

/** The changes of one batch, in order. A batch of control records alone has none, but still moves the revision. */
export type ChangeBatch = {
  readonly revision: number
  /** Microseconds since 1970. */
  readonly commitTime: number
  /** Highest number of a schema that a record of the batch was written under or announces. */
  readonly schema: number
  readonly changes: readonly Change[]
  /** Of an append-only Table: the records themselves, each a JSON array of rows. */
  readonly appended?: readonly LogRecord[]
  /** Of an append-only Table: from here on, rows of revisions up to this one are gone. No event tells of them. */
  readonly expired?: number
  /** Memory it takes, roughly, in bytes. */
  readonly bytes: number
}

const storedHead = 16
const batchHead = 12
const noBytes = Buffer.alloc(0)

/** A stored row: revision and commit time as 64-bit floats (whole numbers below 2^53), then the body. */
export function encodeStored(revision: number, commitTime: number, body: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(storedHead + body.length)
  out.writeDoubleBE(revision, 0)
  out.writeDoubleBE(commitTime, 8)
  out.set(body, storedHead)
  return out
}

export function decodeStored(bytes: Buffer): StoredRow {
  return new StoredRow(bytes.readDoubleBE(0), bytes.readDoubleBE(8), bytes.subarray(storedHead))
}

/** One change as the ring holds it: lengths of key, old and new (0 = none), then the three. */
export function encodeChange(key: Buffer, old: Buffer | undefined, next: Buffer | undefined): Buffer {
  const head = Buffer.allocUnsafe(12)
  head.writeUInt32BE(key.length, 0)
  head.writeUInt32BE(old?.length ?? 0, 4)
  head.writeUInt32BE(next?.length ?? 0, 8)
  return Buffer.concat([head, key, old ?? noBytes, next ?? noBytes])
}

/** A batch as the ring holds it: commit time and schema number, then its changes one after another. */
export function encodeBatchHead(commitTime: number, schema: number): Buffer {
  const head = Buffer.allocUnsafe(batchHead)
  head.writeDoubleBE(commitTime, 0)
  head.writeUInt32BE(schema, 8)
  return head
}

export function decodeBatch(revision: number, bytes: Buffer): ChangeBatch {
  const commitTime = bytes.readDoubleBE(0)
  const changes: Change[] = []
  const schema = bytes.readUInt32BE(8)
  for (let at = batchHead; at < bytes.length; ) {
    const keyLength = bytes.readUInt32BE(at)
    const oldLength = bytes.readUInt32BE(at + 4)
    const newLength = bytes.readUInt32BE(at + 8)
    const key = at + 12
    const old = key + keyLength
    const next = old + oldLength
    const end = next + newLength
    changes.push({
      key: bytes.subarray(key, old),
      old: oldLength === 0 ? undefined : decodeStored(bytes.subarray(old, next)),
      new: newLength === 0 ? undefined : decodeStored(bytes.subarray(next, end)),
    })
    at = end
  }
  return { revision, commitTime, schema, changes, bytes: bytes.length }
}

/** The highest schema number among a batch's records. */
export function schemaOf(batch: LogBatch): number {
  return batch.records.reduce((highest, { schema }) => Math.max(highest, schema), 0)
}

/** A batch of an append-only Table. Its rows are taken apart only when somebody asks for them one by one. */
export function appendedBatch(batch: LogBatch): ChangeBatch {
  const appended = batch.records.filter(record => record.operation === 'append')
  const expiries = batch.records.filter(record => record.operation === 'expire').map(revisionIn)
  let changes: Change[] | undefined
  return {
    revision: batch.revision,
    commitTime: batch.commitTime,
    schema: schemaOf(batch),
    appended,
    ...(expiries.length > 0 && { expired: Math.max(...expiries) }),
    bytes: appended.reduce((sum, record) => sum + record.body.length, 0),
    get changes() {
      changes ??= appended.flatMap(record => {
        const rows = JSON.parse(Buffer.from(record.body).toString()) as unknown[]
        return rows.map(row => {
          const body = Buffer.from(JSON.stringify(row))
          return { key: noBytes, old: undefined, new: new StoredRow(record.revision, batch.commitTime, body) }
        })
      })
      return changes
    },
  }
}
