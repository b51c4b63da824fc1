/**
 * Blobs that clients put straight into the object store. The address takes only the content announced, and what was put
 * lies under a name that no row can reach until it has been verified here: not every store checks what it should.
 */

import { createHash, randomUUID } from 'node:crypto'
import type { PresignedPut } from '../../backends/object-store/presign-put.ts'
import type { ObjectInfo } from '../../backends/object-store/store.ts'
import { BlastyError } from '../../base/errors.ts'
import { mismatch } from './blobs.ts'
import { type BlobPlace, type BlobRef, keepContent, newestOf, uploadsPrefix } from './content.ts'

/** Where to put the content, and the id with which to complete the upload then. */
export type PresignedUpload = PresignedPut & { readonly id: string }

const idPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** An address at which the blob may be put for `seconds`; undefined when its content is there, now as if uploaded just now. */
export async function presignUpload(
  place: BlobPlace,
  blob: BlobRef,
  seconds: number,
): Promise<PresignedUpload | undefined> {
  const stored = await newestOf(place, blob)
  if (stored !== undefined && (await keepContent(place, stored.key, blob))) return undefined
  const id = randomUUID()
  const put = await place.objects.presignPut(place.bucket, `${uploadsPrefix}${id}`, seconds, blob)
  return { ...put, id }
}

/**
 * Takes what was put at a presigned address, if it is the blob. Harmless to repeat.
 * @throws BLOB_NOT_FOUND when nothing was put; BLOB_MISMATCH when it was something else, which is removed then; INVALID_ARGUMENT
 */
export async function completeUpload(place: BlobPlace, id: string, blob: BlobRef): Promise<void> {
  if (!idPattern.test(id)) {
    throw new BlastyError('INVALID_ARGUMENT', { field: 'upload_id', problem: 'is not one that PresignUpload gave out' })
  }
  const { objects, bucket } = place
  const key = `${uploadsPrefix}${id}`
  const put = await objects.head(bucket, key)
  if (put === undefined) {
    // An earlier request may have taken it, and its answer been lost.
    const stored = await newestOf(place, blob)
    if (stored !== undefined && (await keepContent(place, stored.key, blob))) return
    throw notThere(place)
  }
  try {
    await verify(place, key, put, blob)
    // The etag: what was verified is what is kept, whatever is put there meanwhile.
    if (!(await keepContent(place, key, blob, put.etag))) throw notThere(place)
  } catch (error) {
    if (!(error instanceof BlastyError) || error.code !== 'BLOB_MISMATCH') throw error
    await objects.remove(bucket, [key])
    throw error
  }
  // What cannot be removed now is collected in a day.
  await objects.remove(bucket, [key]).catch(() => {})
}

async function verify(place: BlobPlace, key: string, put: ObjectInfo, blob: BlobRef): Promise<void> {
  if (put.size !== blob.size) throw mismatch('size', put.size, blob.size)
  if (put.type !== blob.type) throw mismatch('type', put.type, blob.type)
  const sha256 = put.sha256 ?? (await hashOf(place, key))
  if (sha256 !== blob.sha256) throw mismatch('SHA-256', sha256, blob.sha256)
}

/** For stores that keep no checksum. */
async function hashOf({ objects, bucket }: BlobPlace, key: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of await objects.download(bucket, key)) hash.update(chunk as Uint8Array)
  return hash.digest('hex')
}

const notThere = ({ table }: BlobPlace) => new BlastyError('BLOB_NOT_FOUND', { table })
