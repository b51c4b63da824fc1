/**
 * Forgetting blobs: content that only erased rows named is collected like all that no row names, once it is old enough that nobody can be
 * about to name it (docs/decisions/0022). The keys are not needed for that, so that the erasure's record is gone by then.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { collectBlobs } from '../blobs/collect.ts'
import { blobGraceMillis, blobsPrefix, namedMillis, thumbnailsPrefix, uploadsPrefix } from '../blobs/content.ts'
import { namedBlobs } from '../blobs/named.ts'
import { pendingErasures } from '../log/erasures.ts'
import { logState } from '../log/log.ts'
import type { Table } from '../table.ts'
import { type ErasureProof, isDone, recentProofs, type StoreProof, withStore, writeProof } from './proof.ts'

export type BlobErasing = {
  readonly table: Table
  /** Folder for files on their way. */
  readonly scratch: string
  readonly signal: AbortSignal
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly onProof?: (proof: ErasureProof) => void
  /** How long the Table is watched before a collection, in milliseconds. */
  readonly watchMillis?: number
}

/**
 * Completes erasures of which everything but the blobs is forgotten, as far as their time has come. Returns how many still wait.
 * @throws what the stores throw, the signal's reason
 */
export async function finishErasures(options: BlobErasing): Promise<number> {
  const { table, now = Date.now } = options
  const open = (await recentProofs(table.lake, 0)).filter(({ completedTime }) => completedTime === undefined)
  if (open.length === 0) return 0
  const pending = new Set((await pendingErasures(table.log)).map(({ id }) => id))
  // One of a log that is lost was perhaps never carried out, and has to be asked for again.
  const ready = open.filter(({ id, epoch }) => !pending.has(id) && epoch === table.log.epoch).map(forgotten)
  const without =
    (await any(table, blobsPrefix)) || (await any(table, thumbnailsPrefix)) ? undefined : 'a bucket without blobs'
  const due = ready.filter(proof => without !== undefined || dueAt(proof) <= now())
  for (const proof of ready) {
    if (due.includes(proof) || proof.stores.blobs?.state === 'Done') continue
    const until = new Date(dueAt(proof)).toISOString()
    await say(options, proof, { state: 'Waiting', reason: 'content that no row names is kept for a day', until })
  }
  if (due.length > 0) {
    const { looked, removed } = without === undefined ? await collect(options) : { looked: without, removed: 0 }
    const time = new Date(now()).toISOString()
    for (const proof of due) await say(options, proof, { state: 'Done', looked, removed, time })
  }
  return open.length - due.length
}

/** The record goes when every store but the blobs has forgotten. A proof that says otherwise was put by a request that came late. */
function forgotten(proof: ErasureProof): ErasureProof {
  const looked = "at the log, which has the erasure's record no more: it goes last"
  const done: StoreProof = { state: 'Done', looked, removed: 0, time: new Date().toISOString() }
  const late = ['lake', 'log', ...Object.keys(proof.stores)].filter(store => store !== 'blobs' && !isDone(proof, store))
  return late.reduce((told, store) => withStore(told, store, done), proof)
}

/** What an erased row named was stored before the erasure, and is old enough from then on, in milliseconds since 1970. */
const dueAt = ({ requestedTime }: ErasureProof): number => Date.parse(requestedTime) + blobGraceMillis

async function any({ lake: { objects, bucket } }: Table, prefix: string): Promise<boolean> {
  for await (const _ of objects.list(bucket, prefix)) return true
  return false
}

async function collect({ table, scratch, signal, now, watchMillis = namedMillis }: BlobErasing) {
  const { last: since } = await logState(table.log)
  await sleep(watchMillis, undefined, { signal })
  const named = () => namedBlobs(table, { since, scratch, signal })
  const { blobs, thumbnails } = await collectBlobs({ ...table.blobs, ...(now && { now }), named, signal })
  let noncurrent = 0
  for (const prefix of [blobsPrefix, uploadsPrefix, thumbnailsPrefix])
    noncurrent += await table.lake.objects.removeNoncurrent(table.lake.bucket, prefix)
  return { looked: 'every blob, against all that rows name', removed: blobs + thumbnails + noncurrent }
}

async function say(
  { table, onProof, now = Date.now }: BlobErasing,
  proof: ErasureProof,
  said: StoreProof,
): Promise<void> {
  if (JSON.stringify(proof.stores.blobs) === JSON.stringify(said)) return
  const next = withStore(proof, 'blobs', said)
  const told = said.state === 'Done' ? { ...next, completedTime: new Date(now()).toISOString() } : next
  await writeProof(table.lake, told)
  onProof?.(told)
}
