/**
 * What is shown of an erasure: a document in the Table's bucket. It says of each store what was looked at and what was removed. Who knows a
 * key can find it there; the document itself holds none.
 */

import { createHash } from 'node:crypto'
import type { ObjectStore } from '../../backends/object-store/store.ts'
import type { PendingErasure } from '../log/erasures.ts'

/** How far a store is with forgetting. Times are RFC 3339. */
export type StoreProof =
  | { readonly state: 'Waiting'; readonly reason: string; readonly until?: string }
  /** `looked`: at what; `removed`: how many things that held something of the rows. */
  | { readonly state: 'Done'; readonly looked: string; readonly removed: number; readonly time: string }

export type ErasureProof = {
  readonly id: string
  /** Of the log that it was asked for in. */
  readonly epoch: number
  /** Of the erasure: rows written behind it stay. */
  readonly revision: number
  readonly requestedTime: string
  /** For each key the SHA-256, in hexadecimal, of the erasure's id and the encoded key. */
  readonly keys: readonly string[]
  /** By name: `log`, `lake`, `index NAME`, `subscription NAME`, `blobs`. */
  readonly stores: Readonly<Record<string, StoreProof>>
  /** When the last store had forgotten. */
  readonly completedTime?: string
}

type Place = { readonly objects: ObjectStore; readonly bucket: string }

const prefix = '_blasty/erasures/'
const keyOf = (id: string): string => `${prefix}${id}.json`

export const keyHash = (id: string, key: Buffer): string => createHash('sha256').update(id).update(key).digest('hex')

/** The proof of an erasure that has just been asked for. */
export function newProof({ id, revision, requestedAt, keys }: PendingErasure, epoch: number): ErasureProof {
  return {
    id,
    epoch,
    revision,
    requestedTime: new Date(requestedAt).toISOString(),
    keys: keys.map(key => keyHash(id, key)),
    stores: {},
  }
}

export async function readProof({ objects, bucket }: Place, id: string): Promise<ErasureProof | undefined> {
  const body = await objects.get(bucket, keyOf(id))
  return body === undefined ? undefined : (JSON.parse(body.toString()) as ErasureProof)
}

export async function writeProof({ objects, bucket }: Place, proof: ErasureProof): Promise<void> {
  await objects.put(bucket, keyOf(proof.id), Buffer.from(JSON.stringify(proof)))
}

/** The proofs that were written last, at most `limit` of them, the newest request first, and all that are not complete. */
export async function recentProofs(place: Place, limit: number): Promise<ErasureProof[]> {
  const listed: { readonly id: string; readonly modified: number }[] = []
  for await (const { key, modified } of place.objects.list(place.bucket, prefix))
    listed.push({ id: key.slice(prefix.length).replace(/\.json$/, ''), modified })
  listed.sort((a, b) => b.modified - a.modified)
  const found: ErasureProof[] = []
  for (const [index, { id }] of listed.entries()) {
    const proof = await readProof(place, id)
    if (proof !== undefined && (index < limit || proof.completedTime === undefined)) found.push(proof)
  }
  return found.sort((a, b) => b.revision - a.revision)
}

/** What a proof says of a store, with what it says now. */
export const withStore = (proof: ErasureProof, store: string, said: StoreProof): ErasureProof => ({
  ...proof,
  stores: { ...proof.stores, [store]: said },
})

export const isDone = ({ stores }: ErasureProof, store: string): boolean => stores[store]?.state === 'Done'
