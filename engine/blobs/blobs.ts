/** Blobs of a Table, beside its rows, named by the SHA-256 of their content; streamed in and out, never whole in memory. */

import { createHash, randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { ObjectStore } from '../../backends/object-store/store.ts'
import { BlastyError } from '../../base/errors.ts'

/** What a Blob column holds. */
export type BlobRef = { readonly sha256: string; readonly size: number; readonly type: string }

/** Largest blob in bytes. */
export const maxBlobBytes = 5 * 1024 ** 3

const keyOf = (sha256: string): string => `_blasty/blobs/${sha256}`
const uploadKey = (id: string): string => `_blasty/uploads/${id}`

export type Expected = { readonly sha256?: string; readonly size?: number; readonly type: string }

/**
 * Stores what `chunks` brings. The content lies under a name of its own until its hash is known, so a broken upload leaves
 * nothing that a row could name.
 * @throws BLOB_MISMATCH when size or hash are not those announced, or the blob is too large
 */
export async function storeBlob(
  objects: ObjectStore,
  bucket: string,
  chunks: AsyncIterable<Uint8Array>,
  expected: Expected,
): Promise<BlobRef> {
  const hash = createHash('sha256')
  let size = 0
  let sha256 = ''
  const limit = expected.size ?? maxBlobBytes
  const measured = async function* () {
    for await (const chunk of chunks) {
      size += chunk.length
      if (size > limit) throw mismatch('size', `more than ${limit}`, limit)
      hash.update(chunk)
      yield chunk
    }
    sha256 = hash.digest('hex')
    if (expected.size !== undefined && size !== expected.size) throw mismatch('size', size, expected.size)
    if (expected.sha256 !== undefined && sha256 !== expected.sha256) throw mismatch('SHA-256', sha256, expected.sha256)
  }
  // The store says of all that breaks an upload that the upload broke; what the caller must hear is why.
  let broken: { readonly cause: unknown } | undefined
  const content = async function* () {
    try {
      yield* measured()
    } catch (cause) {
      broken = { cause }
      throw cause
    }
  }
  const temporary = uploadKey(randomUUID())
  try {
    await objects.upload(bucket, temporary, content(), { type: expected.type })
    await objects.copy(bucket, temporary, keyOf(sha256))
    await objects.remove(bucket, [temporary])
    return { sha256, size, type: expected.type }
  } catch (error) {
    await objects.remove(bucket, [temporary]).catch(() => {})
    throw broken?.cause ?? error
  }
}

/** A stream of the blob's bytes, or of `length` of them from `offset`. Throws BLOB_NOT_FOUND. */
export async function readBlob(
  objects: ObjectStore,
  bucket: string,
  table: string,
  { sha256 }: BlobRef,
  offset: number,
  length: number,
): Promise<Readable> {
  if (!(await hasBlob(objects, bucket, sha256))) throw new BlastyError('BLOB_NOT_FOUND', { table })
  return objects.download(bucket, keyOf(sha256), offset, length)
}

export async function hasBlob(objects: ObjectStore, bucket: string, sha256: string): Promise<boolean> {
  return (await objects.head(bucket, keyOf(sha256))) !== undefined
}

/** An address that reads the blob, for `seconds`. */
export function presignBlob(
  objects: ObjectStore,
  bucket: string,
  { sha256 }: BlobRef,
  seconds: number,
): Promise<string> {
  return objects.presign(bucket, keyOf(sha256), seconds)
}

const mismatch = (property: string, actual: string | number, expected: string | number) =>
  new BlastyError('BLOB_MISMATCH', { property, actual, expected })
