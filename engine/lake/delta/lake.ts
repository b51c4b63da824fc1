/** Where the parts of a lake lie in its bucket: names of logs, data and change files, and what the log holds. */

import type { Claims } from '../../../backends/object-store/claims.ts'
import type { ObjectStore } from '../../../backends/object-store/store.ts'
import { BlastyError } from '../../../base/errors.ts'

/** A Delta table below `root` in a bucket. `claims` is set for stores that do not honour `If-None-Match`. */
export type DeltaLake = {
  readonly objects: ObjectStore
  readonly bucket: string
  /** Such as `lake`, without slashes at its ends. */
  readonly root: string
  readonly claims?: Claims
}

/** The lake of a Table. */
export function lakeIn(objects: ObjectStore, bucket: string): DeltaLake {
  const lake = { objects: objects.claims?.plain ?? objects, bucket, root: 'lake' }
  return objects.claims === undefined ? lake : { ...lake, claims: objects.claims.versions(bucket) }
}

/** How errors name the lake. */
export const lakeName = ({ bucket, root }: DeltaLake): string => `${bucket}/${root}`

/** The key of a path below the root. Paths in the log are URIs (RFC 2396); in names that we give nothing is escaped. */
export function keyOfPath(lake: DeltaLake, path: string): string {
  try {
    return `${lake.root}/${path.includes('%') ? decodeURIComponent(path) : path}`
  } catch (cause) {
    const problem = `the path ${path} is escaped wrongly`
    throw new BlastyError('LAKE_CORRUPT', { lake: lakeName(lake), problem }, { cause })
  }
}

export const dataPath = (uuid: string): string => `part-${uuid}.parquet`
export const changePath = (uuid: string): string => `_change_data/cdc-${uuid}.parquet`
export const vectorPath = (uuid: string): string => `deletion_vector_${uuid}.bin`

const pad = (number: number, digits = 20) => String(number).padStart(digits, '0')

export const logPrefix = ({ root }: DeltaLake): string => `${root}/_delta_log/`
export const commitKey = (lake: DeltaLake, version: number): string => `${logPrefix(lake)}${pad(version)}.json`
export const lastCheckpointKey = (lake: DeltaLake): string => `${logPrefix(lake)}_last_checkpoint`

/** Contents of commits that wait for their claim, out of the sight of every reader of the table. */
export const stagedPrefix = ({ root }: DeltaLake): string => `${root}/_blasty/commits/`
export const stagedKey = (lake: DeltaLake, version: number, hash: string): string =>
  `${stagedPrefix(lake)}${pad(version)}.${hash}.json`

/** The version that a staged commit is for; undefined when the key is none. */
export function stagedVersion(lake: DeltaLake, key: string): number | undefined {
  const [, version] = /^(\d{20})\.[0-9a-f]{64}\.json$/.exec(key.slice(stagedPrefix(lake).length)) ?? []
  return version === undefined ? undefined : Number(version)
}

/** Leases on versions, and how far clean-up has gone. */
export const leasesPrefix = ({ root }: DeltaLake): string => `${root}/_blasty/leases/`

/** What the store's clock shows, in milliseconds: by it the age of objects is told, and the clock of this machine may be wrong. */
export async function storeTime(lake: DeltaLake): Promise<number> {
  const key = `${lake.root}/_blasty/clock`
  await lake.objects.put(lake.bucket, key, Buffer.from('{}'))
  for await (const object of lake.objects.list(lake.bucket, key)) if (object.key === key) return object.modified
  throw new BlastyError('BACKEND_UNAVAILABLE', { backend: 'object store', problem: `${key} is not listed` })
}

/** Keys of a checkpoint; one that is in several parts is another engine's. */
export function checkpointKeys(lake: DeltaLake, version: number, parts = 1): string[] {
  const base = `${logPrefix(lake)}${pad(version)}.checkpoint`
  if (parts === 1) return [`${base}.parquet`]
  return Array.from({ length: parts }, (_, part) => `${base}.${pad(part + 1, 10)}.${pad(parts, 10)}.parquet`)
}

export type Checkpoint = { readonly version: number; readonly keys: readonly string[] }

/** What a listing of the log shows. Each list is in ascending order. */
export type LogListing = {
  readonly commits: readonly number[]
  /** Only those of which every part is there. */
  readonly checkpoints: readonly Checkpoint[]
  /** All keys that belong to a version, also leftovers, with the version that they begin with. */
  readonly keys: readonly { readonly version: number; readonly key: string }[]
}

/** The first of the newest commits that follow one another. What is below a gap was left by a clean-up, or by a writer that slept through one. */
export function firstWhole({ commits }: LogListing): number | undefined {
  let first = commits.at(-1)
  for (const commit of commits.toReversed()) {
    if (first !== undefined && commit < first - 1) break
    first = commit
  }
  return first
}

const logName = /^(\d{20})(?:\.(json)|\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet|\.crc|\.\d{20}\.compacted\.json)$/

/** Lists the log from a version on. */
export async function listLog(lake: DeltaLake, from = 0): Promise<LogListing> {
  const prefix = logPrefix(lake)
  const commits: number[] = []
  const keys: { version: number; key: string }[] = []
  const parts = new Map<string, { version: number; wanted: number; keys: string[] }>()
  for await (const { key } of lake.objects.list(lake.bucket, prefix, { after: `${prefix}${pad(from)}` })) {
    const [, digits, commit, part, of] = logName.exec(key.slice(prefix.length)) ?? []
    if (digits === undefined) continue
    const version = Number(digits)
    keys.push({ version, key })
    if (commit !== undefined) commits.push(version)
    else if (key.includes('.checkpoint.')) {
      const wanted = part === undefined ? 1 : Number(of)
      const set = parts.get(`${digits}/${of}`) ?? { version, wanted, keys: [] }
      set.keys.push(key)
      parts.set(`${digits}/${of}`, set)
    }
  }
  const checkpoints = [...parts.values()].filter(set => set.keys.length === set.wanted)
  return { commits, checkpoints, keys }
}
