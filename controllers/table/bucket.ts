/** The bucket of a Table: its mark, and its end. */

import { type ObjectStore, s3Code } from '../../backends/object-store/store.ts'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import { type Found, type Mark, markDocument, markOfDocument, unmarked } from '../marks.ts'

const ownerKey = '_blasty/owner.json'
/** Objects removed in one go. */
const pageSize = 1_000

/** How the bucket is marked; undefined when there is none. */
export async function lookAtBucket(objects: ObjectStore, bucket: string): Promise<Found | undefined> {
  try {
    const body = await objects.get(bucket, ownerKey)
    return body === undefined ? unmarked : markOfDocument(body.toString())
  } catch (error) {
    if (isMissingBucket(error)) return undefined
    throw error
  }
}

/**
 * Makes a bucket that was just seen not to be there, and marks it by its first object. When another marks it first, its
 * mark stays, to be seen by the next look.
 */
export async function createBucket(objects: ObjectStore, bucket: string, mark: Mark): Promise<void> {
  await objects.makeBucket(bucket)
  await objects.put(bucket, ownerKey, bodyOf(mark), { ifAbsent: true })
}

/** Marks a bucket without a mark, as a crash leaves one. One that holds something already is not ours to mark: false. */
export async function claimBucket(objects: ObjectStore, bucket: string, mark: Mark): Promise<boolean> {
  if ((await keysOf(objects, bucket, 1)).some(key => key !== ownerKey)) return false
  await objects.put(bucket, ownerKey, bodyOf(mark), { ifAbsent: true })
  return true
}

/** Replaces the mark of an earlier Table. */
export async function remarkBucket(objects: ObjectStore, bucket: string, mark: Mark): Promise<void> {
  await objects.put(bucket, ownerKey, bodyOf(mark))
}

/** Removes a page of a bucket of ours, its mark with the bucket itself at the end. True when nothing is left. */
export async function removeBucketPage(objects: ObjectStore, bucket: string, mark: Mark): Promise<boolean> {
  const keys = (await keysOf(objects, bucket, pageSize + 1)).filter(key => key !== ownerKey)
  if (keys.length > 0) await objects.remove(bucket, keys.slice(0, pageSize))
  if (keys.length > pageSize) return false
  if ((await keysOf(objects, bucket, 2)).some(key => key !== ownerKey)) return false
  // What was claimed for it counts no more: a later bucket of the name gets a mark of its own.
  await objects.claims?.forget(bucket)
  await objects.remove(bucket, [ownerKey])
  try {
    await objects.removeBucket(bucket)
  } catch (error) {
    // Something was put meanwhile: without its mark the bucket would be nobody's.
    await objects.put(bucket, ownerKey, bodyOf(mark), { ifAbsent: true }).catch((again: unknown) => {
      if (!isMissingBucket(again)) throw again
    })
    throw error
  }
  return true
}

async function keysOf(objects: ObjectStore, bucket: string, limit: number): Promise<string[]> {
  return fromStore(async () => {
    const keys: string[] = []
    for await (const { key } of objects.list(bucket, '')) if (keys.push(key) === limit) break
    return keys
  })
}

function bodyOf(mark: Mark): Buffer {
  return Buffer.from(JSON.stringify(markDocument(mark)))
}

function isMissingBucket(error: unknown): boolean {
  return s3Code(error) === 'NoSuchBucket'
}

/** Runs what lists, whose errors are the client library's own; others of the store are of the catalogue already. */
export async function fromStore<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (isBlastyError(error)) throw error
    const code = s3Code(error) === undefined ? 'BACKEND_UNAVAILABLE' : 'BACKEND_REFUSED'
    const problem = error instanceof Error ? error.message : String(error)
    throw new BlastyError(code, { backend: 'object store', problem }, { cause: error })
  }
}
