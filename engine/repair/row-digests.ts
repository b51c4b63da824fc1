/**
 * Revision and checksum of every row of a Table by key, on disk, so that memory does not grow with the Table. An append-only Table has no
 * keys: there an entry is a revision, with the number of its rows and the sum of their checksums.
 */

import { createHash } from 'node:crypto'
import { blobColumns, blobsOf } from '../blobs/check.ts'
import { openCacheStore } from '../replica/cache-store.ts'
import type { Row, TableSchema } from '../schema/schema.ts'

export type RowDigest = {
  /** Of the row; the number of rows where there are no keys. */
  readonly revision: number
  /** SHA-256 of the row as JSON; empty for a row that was deleted. */
  readonly digest: Buffer
  /** SHA-256 of the blobs that the row names, in hexadecimal. */
  readonly blobs: readonly string[]
}

const digestBytes = 32
const deleted = Buffer.alloc(0)

export class RowDigests {
  readonly #root: ReturnType<typeof openCacheStore>
  readonly #rows: ReturnType<RowDigests['open']>

  /** `folder` is a scratch folder of this store alone. */
  constructor(folder: string) {
    this.#root = openCacheStore(folder, { format: 1 })
    this.#rows = this.open()
  }

  get count(): number {
    return this.#rows.getCount()
  }

  get(key: Buffer): RowDigest | undefined {
    const bytes = this.#rows.getBinary(key)
    return bytes && decode(bytes)
  }

  put(key: Buffer, row: RowDigest): void {
    this.#rows.putSync(key, encode(row))
  }

  /** Notes that the log says a row is gone. */
  bury(key: Buffer, revision: number): void {
    this.put(key, { revision, digest: deleted, blobs: [] })
  }

  remove(key: Buffer): void {
    this.#rows.removeSync(key)
  }

  /** Adds a row to those of its revision. */
  append(revision: number, row: RowDigest): void {
    const key = revisionKey(revision)
    const before = this.get(key)
    const digest = before === undefined ? row.digest : sum(before.digest, row.digest)
    this.put(key, { revision: (before?.revision ?? 0) + 1, digest, blobs: [...(before?.blobs ?? []), ...row.blobs] })
  }

  /** Removes those of revisions up to one, where there are no keys. */
  expire(revision: number): void {
    for (const key of [...this.#rows.getKeys({ end: revisionKey(revision + 1) })]) this.#rows.removeSync(key)
  }

  /** Everything in the order of keys. */
  *entries(): Generator<{ readonly key: Buffer; readonly row: RowDigest }> {
    for (const { key, value } of this.#rows.getRange()) yield { key, row: decode(value) }
  }

  /** Writes of one kind go faster together. */
  together(work: () => void): void {
    this.#root.transactionSync(work)
  }

  close(): Promise<void> {
    return this.#root.close()
  }

  private open() {
    return this.#root.openDB<Buffer, Buffer>('rows', { encoding: 'binary', keyEncoding: 'binary' })
  }
}

export const isDeleted = ({ digest }: RowDigest): boolean => digest.length === 0

/** Compiles the digests of a schema's rows. */
export function digester(schema: TableSchema): (revision: number, row: Row) => RowDigest {
  const columns = blobColumns(schema)
  return (revision, row) => ({
    revision,
    digest: createHash('sha256').update(JSON.stringify(row)).digest(),
    blobs: columns.length === 0 ? [] : blobsOf(row, columns).map(({ blob }) => blob.sha256),
  })
}

/** The key of a revision's rows where there are no keys. */
export function revisionKey(revision: number): Buffer {
  const key = Buffer.alloc(8)
  key.writeDoubleBE(revision)
  return key
}

export const revisionOfKey = (key: Buffer): number => key.readDoubleBE()

/** Sums do not depend on the order, and a row that is there twice does not cancel itself. */
function sum(a: Buffer, b: Buffer): Buffer {
  const out = Buffer.allocUnsafe(digestBytes)
  for (let i = 0; i < digestBytes; i += 4) out.writeUInt32BE((a.readUInt32BE(i) + b.readUInt32BE(i)) >>> 0, i)
  return out
}

function encode({ revision, digest, blobs }: RowDigest): Buffer {
  const head = Buffer.allocUnsafe(9)
  head.writeDoubleBE(revision, 0)
  head.writeUInt8(digest.length, 8)
  return Buffer.concat([head, digest, Buffer.from(blobs.join(''), 'hex')])
}

function decode(bytes: Buffer): RowDigest {
  const end = 9 + bytes.readUInt8(8)
  const blobs: string[] = []
  for (let at = end; at < bytes.length; at += digestBytes) blobs.push(bytes.toString('hex', at, at + digestBytes))
  return { revision: bytes.readDoubleBE(0), digest: Buffer.from(bytes.subarray(9, end)), blobs }
}
