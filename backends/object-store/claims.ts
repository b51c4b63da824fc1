/**
 * Who may write an object once, for object stores that overwrite where they were asked not to: a key of a NATS key-value bucket, which
 * is created once, says what the object's content will be. Whoever finds it can put that content in its writer's place.
 */

import { createHash } from 'node:crypto'
import { type KV, Kvm } from '@nats-io/kv'
import { BlastyError } from '../../base/errors.ts'
import { reason, type Streams } from '../streams/connect.ts'

/** Claims of the versions of one lake. */
export interface Claims {
  /**
   * Claims a version of a lake for the content with this hash, for ever. `ours`: also when it was claimed for the same content before.
   * @throws BACKEND_UNAVAILABLE; it is then not known whose the version is, and the same claim again finds out
   */
  claim(version: number, contentHash: string): Promise<'ours' | { readonly hash: string }>
  /** Drops the claims of versions below one whose commit is kept. */
  forget(below: number): Promise<void>
  /** Drops all of them, since the lake is removed. */
  forgetAll(): Promise<void>
}

/** Claims of the objects of a store. Each method throws BACKEND_UNAVAILABLE. */
export type StoreClaims = {
  readonly versions: (bucket: string) => Claims
  /** Claims a small document for a content; returns that for which it was claimed first. */
  readonly document: (bucket: string, key: string, content: Buffer) => Promise<Buffer>
  /** Drops what was claimed in a bucket that goes. */
  readonly forget: (bucket: string) => Promise<void>
}

/** Name of the key-value bucket of an installation. */
export const claimsBucket = (installationID: string): string => `blasty_claims_${installationID}`

/** Claims in the key-value bucket `name`, which is made when something is first claimed. */
export function natsClaims(streams: Streams, name: string, replicas: number): StoreClaims {
  let opening: Promise<KV> | undefined
  const opened = () => {
    opening ??= asking(() => new Kvm(streams.client).create(name, { history: 1, replicas, storage: 'file' })).catch(
      error => {
        opening = undefined
        throw error
      },
    )
    return opening
  }
  /** Creates the key; returns what it holds when it is there. */
  const create = async (key: string, value: Buffer): Promise<Buffer | undefined> => {
    const bucket = await opened()
    let refusal: unknown
    try {
      await bucket.create(key, value)
      return undefined
    } catch (error) {
      refusal = error
    }
    // Claimed by another, or by this very request whose answer was lost.
    const holder = await asking(() => bucket.get(key))
    if (holder === null || holder.operation !== 'PUT') throw unavailable(refusal)
    return Buffer.from(holder.value)
  }
  const purge = async (keys: string, seq?: number) => {
    await opened()
    const filter = `$KV.${name}.${keys}`
    await asking(() => streams.admin.streams.purge(`KV_${name}`, seq === undefined ? { filter } : { filter, seq }))
  }
  return {
    versions: lake => ({
      claim: async (version, contentHash) => {
        const held = (await create(`${lake}.v.${version}`, Buffer.from(contentHash)))?.toString() ?? contentHash
        return held === contentHash ? 'ours' : { hash: held }
      },
      forget: async below => {
        const bucket = await opened()
        const oldest = await asking(() => bucket.get(`${lake}.v.${below}`))
        // Versions are claimed one after the other, so older claims have lower sequences.
        if (oldest !== null) await purge(`${lake}.v.*`, oldest.revision)
      },
      forgetAll: () => purge(`${lake}.v.*`),
    }),
    document: async (bucket, key, content) => {
      const name = createHash('sha256').update(key).digest('hex')
      return (await create(`${bucket}.d.${name}`, content)) ?? content
    },
    forget: bucket => purge(`${bucket}.>`),
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
