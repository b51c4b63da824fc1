/** Blobs of a Table, beside its rows, named by the SHA-256 of their content; streamed in and out, never whole in memory. */

import { createHash, randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { s3Code } from '../../backends/object-store/store.ts'
import { BlastyError } from '../../base/errors.ts'
import { type BlobPlace, type BlobRef, keepContent, newestOf, uploadsPrefix } from './content.ts'

/** Largest blob in bytes: what an S3 store copies, or takes in one PUT. */
export const maxBlobBytes = 5 * 1024 ** 3

/** Unset: whatever comes. */
export type Expected = { readonly sha256?: string; readonly size?: number; readonly type: string }

/**
 * Stores what `chunks` brings. The content lies under a name of its own until its hash is known, so a broken upload leaves
 * nothing that a row could name.
 * @throws BLOB_MISMATCH when size or hash are not those announced, or the blob is too large
 */
export async function storeBlob(
  place: BlobPlace,
  chunks: AsyncIterable<Uint8Array>,
  expected: Expected,
): Promise<BlobRef> {
  const { objects, bucket } = place
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
  const temporary = `${uploadsPrefix}${randomUUID()}`
  try {
    await objects.upload(bucket, temporary, content(), { type: expected.type })
    const blob = { sha256, size, type: expected.type }
    if (!(await keepContent(place, temporary, blob))) throw taken()
    return blob
  } catch (error) {
    throw broken?.cause ?? error
  } finally {
    // What cannot be removed now is collected in a day.
    await objects.remove(bucket, [temporary]).catch(() => {})
  }
}

/** A stream of the blob's bytes, or of `length` of them from `offset`. Throws BLOB_NOT_FOUND. */
export async function readBlob(place: BlobPlace, blob: BlobRef, offset: number, length: number): Promise<Readable> {
  const read = async () => {
    const { key } = await found(place, blob)
    return place.objects.download(place.bucket, key, offset, length)
  }
  return read().catch(error => {
    if (s3Code(error) !== 'NoSuchKey') throw error
    // The object found was an older copy that was collected just now.
    return read()
  })
}

/** An address that reads the blob, for `seconds`. Throws BLOB_NOT_FOUND. */
export async function presignBlob(place: BlobPlace, blob: BlobRef, seconds: number): Promise<string> {
  const { key } = await found(place, blob)
  return place.objects.presign(place.bucket, key, seconds)
}

async function found(place: BlobPlace, blob: BlobRef) {
  const stored = await newestOf(place, blob)
  if (stored === undefined) throw new BlastyError('BLOB_NOT_FOUND', { table: place.table })
  return stored
}

export const mismatch = (property: string, actual: string | number, expected: string | number) =>
  new BlastyError('BLOB_MISMATCH', { property, actual, expected })

const taken = () =>
  new BlastyError('BACKEND_UNAVAILABLE', { backend: 'object store', problem: 'it lost an upload; send it again' })
