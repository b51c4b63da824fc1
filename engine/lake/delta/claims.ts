/**
 * Who may write a version, for object stores that overwrite where they were asked not to: a key of a NATS key-value bucket, created
 * once, names the content that the version will have.
 */

import { Kvm } from '@nats-io/kv'
import { reason, type Streams } from '../../../backends/streams/connect.ts'
import { BlastyError } from '../../../base/errors.ts'

export interface Claims {
  /**
   * Claims a version of a lake for the content with this hash, for ever. `ours`: also when it was claimed for the same content before.
   * @throws BACKEND_UNAVAILABLE; it is then not known whose the version is, and the same claim again finds out
   */
  claim(version: number, contentHash: string): Promise<'ours' | { readonly hash: string }>
  /** Drops the claims of versions below one whose commit is kept. */
  forget(below: number): Promise<void>
}

const keyOf = (version: number) => `v.${version}`

/** Claims in the key-value bucket `name`, one for each lake; it is made when it is not there. */
export async function natsClaims(streams: Streams, name: string, replicas: number): Promise<Claims> {
  const bucket = await asking(() => new Kvm(streams.client).create(name, { history: 1, replicas, storage: 'file' }))
  return {
    claim: async (version, contentHash) => {
      let refusal: unknown
      try {
        await bucket.create(keyOf(version), contentHash)
        return 'ours'
      } catch (error) {
        refusal = error
      }
      // Claimed by another, or by this very request whose answer was lost.
      const holder = await asking(() => bucket.get(keyOf(version)))
      if (holder === null || holder.operation !== 'PUT') throw unavailable(refusal)
      const hash = holder.string()
      return hash === contentHash ? 'ours' : { hash }
    },
    forget: async below => {
      const oldest = await asking(() => bucket.get(keyOf(below)))
      // Versions are claimed one after the other, so older claims have lower sequences.
      if (oldest === null) return
      await asking(() => streams.admin.streams.purge(`KV_${name}`, { seq: oldest.revision }))
    },
  }
}

async function asking<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    throw unavailable(error)
  }
}

const unavailable = (cause: unknown) =>
  new BlastyError('BACKEND_UNAVAILABLE', { backend: 'streams server', problem: reason(cause) }, { cause })
