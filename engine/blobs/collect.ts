/**
 * Collection of what no row names: content, its thumbnails, and uploads that nobody completed. Any number of collectors may run
 * beside uploads, writes and each other, stop anywhere, and wake up late: what they delete was old when they looked, and
 * an object is never made young again (docs/decisions/0022).
 */

import type { ObjectStore } from '../../backends/object-store/store.ts'
import {
  blobGraceMillis,
  blobsPrefix,
  newestFirst,
  type Stored,
  storedBlob,
  storedOf,
  thumbnailsPrefix,
  uploadsPrefix,
} from './content.ts'

export type CollectOptions = {
  readonly objects: ObjectStore
  readonly bucket: string
  /**
   * The SHA-256 of every blob that a row names, or named less than `namedMillis` ago: in the retained versions, the change files,
   * and the log up to where it ends when this is called (`namedBlobs`). It is called once the time has been taken, which matters, and for each
   * page of the bucket. More than that may be told, and anything twice.
   */
  readonly named: () => AsyncIterable<string>
  readonly graceMillis?: number
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  /** Old objects looked at between two readings of `named`; each takes some two hundred bytes of memory. */
  readonly pageObjects?: number
  readonly signal?: AbortSignal
}

/** Objects deleted, and the bytes of content. */
export type Collected = {
  readonly blobs: number
  readonly bytes: number
  readonly thumbnails: number
  readonly uploads: number
}

const defaultPageObjects = 100_000
/** Keys in one request, as S3 has it. */
const removedAtOnce = 1000

/** @throws what the store or `named` throws; what was deleted until then was rightly deleted, and the next run does the rest */
export async function collectBlobs(options: CollectOptions): Promise<Collected> {
  const { now = Date.now, graceMillis = blobGraceMillis, pageObjects = defaultPageObjects } = options
  // Before the first question, which the store refuses when this clock is far from its own.
  const oldest = now() - graceMillis
  const remover = removing(options)
  let [blobs, bytes] = [0, 0]
  for await (const page of pagesOf(options, oldest, pageObjects)) {
    for await (const stored of collectable(page, options)) {
      blobs++
      bytes += stored.size
      await remover.add(stored.key)
    }
  }
  await remover.flush()
  const thumbnails = await collectThumbnails(options, oldest, remover)
  const uploads = await collectUploads(options, oldest, remover)
  return { blobs, bytes, thumbnails, uploads }
}

type Page = Map<string, Stored[]>

/** Content that was old when looked at, by SHA-256; that of one SHA-256 is never split. */
async function* pagesOf(
  { objects, bucket, signal }: CollectOptions,
  oldest: number,
  pageObjects: number,
): AsyncGenerator<Page> {
  let page: Page = new Map()
  let count = 0
  for await (const object of objects.list(bucket, blobsPrefix)) {
    signal?.throwIfAborted()
    const stored = storedBlob(object)
    // What is not ours to judge, or has no time, is left alone.
    if (stored === undefined || !(stored.modified < oldest)) continue
    const known = page.get(stored.sha256)
    if (known === undefined && count >= pageObjects) {
      yield page
      page = new Map()
      count = 0
    }
    page.set(stored.sha256, [...(known ?? []), stored])
    count++
  }
  if (count > 0) yield page
}

/**
 * Of a page: everything that is not named; and of what is, all but the newest old object of each type. A younger one would
 * do as well for the rows, but addresses given out may still lead to the older.
 */
async function* collectable(page: Page, { named, signal }: CollectOptions): AsyncGenerator<Stored> {
  for await (const sha256 of named()) {
    signal?.throwIfAborted()
    const stored = page.get(sha256)
    if (stored === undefined) continue
    page.delete(sha256)
    yield* superseded(stored)
  }
  for (const stored of page.values()) yield* stored
}

function superseded(stored: readonly Stored[]): Stored[] {
  const kept = new Set<string>()
  return stored.toSorted(newestFirst).filter(({ type }) => {
    if (kept.has(type)) return true
    kept.add(type)
    return false
  })
}

/** Old thumbnails of blobs of which nothing is left. They can be made again, so nothing depends on them. */
async function collectThumbnails(options: CollectOptions, oldest: number, remover: Remover): Promise<number> {
  const { objects, bucket, signal } = options
  let removed = 0
  let last: { readonly sha256: string; readonly gone: boolean } | undefined
  for await (const { key, modified } of objects.list(bucket, thumbnailsPrefix)) {
    signal?.throwIfAborted()
    if (!(modified < oldest)) continue
    const [sha256 = ''] = key.slice(thumbnailsPrefix.length).split('/')
    if (last?.sha256 !== sha256) {
      const stored = await storedOf({ objects, bucket }, sha256)
      last = { sha256, gone: stored.length === 0 }
    }
    if (!last.gone) continue
    removed++
    await remover.add(key)
  }
  await remover.flush()
  return removed
}

/** What was put and never completed. An upload that is under way has no object yet, or is completed as soon as it has. */
async function collectUploads(options: CollectOptions, oldest: number, remover: Remover): Promise<number> {
  const { objects, bucket, signal } = options
  let removed = 0
  for await (const { key, modified } of objects.list(bucket, uploadsPrefix)) {
    signal?.throwIfAborted()
    if (!(modified < oldest)) continue
    removed++
    await remover.add(key)
  }
  await remover.flush()
  return removed
}

type Remover = { readonly add: (key: string) => Promise<void>; readonly flush: () => Promise<void> }

function removing({ objects, bucket }: CollectOptions): Remover {
  let keys: string[] = []
  const flush = async () => {
    if (keys.length === 0) return
    const removed = keys
    keys = []
    await objects.remove(bucket, removed)
  }
  const add = async (key: string) => {
    keys.push(key)
    if (keys.length >= removedAtOnce) await flush()
  }
  return { add, flush }
}
