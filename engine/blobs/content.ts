/**
 * Where the content of blobs lies in a Table's bucket. Each upload makes a new object, a copy of that content under a name never
 * used before, and no object is ever written again: so what is seen to be old stays old, and may be deleted
 * without asking whether somebody has just touched it (docs/decisions/0022).
 */

import { randomUUID } from 'node:crypto'
import type { ObjectStore } from '../../backends/object-store/store.ts'

/** What a Blob column holds: SHA-256 in hexadecimal, bytes, media type. */
export type BlobRef = { readonly sha256: string; readonly size: number; readonly type: string }

/** The blobs of one Table. */
export type BlobPlace = {
  readonly objects: ObjectStore
  readonly bucket: string
  /** `namespace/name`, for messages. */
  readonly table: string
  /** Milliseconds since the epoch. The store refuses requests of a clock that is a quarter of an hour off its own. */
  readonly now?: () => number
}

/** How long content that no row names is kept at least, in milliseconds. */
export const blobGraceMillis = 24 * 60 * 60 * 1000
/** A row may be written that names content no older than this. */
export const freshMillis = blobGraceMillis / 2
/** A version of a row counts as naming its blobs for this long after it has ended: longer than a write may take. */
export const namedMillis = 10 * 60 * 1000
/** An upload of content no older than this stores it no second time: the uploader has this long to write the row. */
export const reusedMillis = blobGraceMillis / 4

export const blobsPrefix = '_blasty/blobs/'
export const uploadsPrefix = '_blasty/uploads/'
export const thumbnailsPrefix = '_blasty/thumbnails/'

/** One object that holds a blob's content. */
export type Stored = BlobRef & {
  readonly key: string
  /** By the store's clock, in milliseconds since the epoch. */
  readonly modified: number
}

const keyPattern = /^_blasty\/blobs\/([0-9a-f]{64})\/([\w-]+)\/[0-9a-f-]{36}$/

// Media types hold characters that object stores and their clients escape in more ways than one.
const newKey = ({ sha256, type }: BlobRef): string =>
  `${blobsPrefix}${sha256}/${Buffer.from(type).toString('base64url')}/${randomUUID()}`

/** Reads an object's name back; undefined for what is no blob's. */
export function storedBlob(object: { key: string; size: number; modified: number }): Stored | undefined {
  const [, sha256, type] = keyPattern.exec(object.key) ?? []
  if (sha256 === undefined || type === undefined) return undefined
  return { ...object, sha256, type: Buffer.from(type, 'base64url').toString() }
}

/** Everything stored of a SHA-256, under whatever type, the newest first. */
export async function storedOf(
  { objects, bucket }: Pick<BlobPlace, 'objects' | 'bucket'>,
  sha256: string,
): Promise<Stored[]> {
  const found: Stored[] = []
  for await (const object of objects.list(bucket, `${blobsPrefix}${sha256}/`)) {
    const stored = storedBlob(object)
    if (stored !== undefined) found.push(stored)
  }
  return found.sort(newestFirst)
}

/** An order without ties, the same for everybody. */
export const newestFirst = (a: Stored, b: Stored): number => b.modified - a.modified || (a.key < b.key ? -1 : 1)

/** The newest object that holds just this blob. */
export async function newestOf(place: BlobPlace, blob: BlobRef): Promise<Stored | undefined> {
  return (await storedOf(place, blob.sha256)).find(stored => isSame(stored, blob))
}

export const isSame = (a: BlobRef, b: BlobRef): boolean =>
  a.sha256 === b.sha256 && a.size === b.size && a.type === b.type

/**
 * Makes what lies at `from`, and is known to be the blob's content, the blob's newest object, unless there is a new one already.
 * @returns false when nothing (more) lies at `from`, or not with this `etag`
 */
export async function keepContent(place: BlobPlace, from: string, blob: BlobRef, etag?: string): Promise<boolean> {
  const { objects, bucket, now = Date.now } = place
  const asked = now()
  const newest = await newestOf(place, blob)
  if (newest !== undefined && asked - newest.modified < reusedMillis) return true
  return objects.copy(bucket, from, newKey(blob), etag === undefined ? {} : { etag })
}
