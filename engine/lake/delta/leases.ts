/**
 * Leases on versions of a lake: who reads an old one says so, and clean-up keeps it until he is done, or was silent for too long.
 *
 * They are objects of the bucket, beside the floor: the version below which clean-up takes no more leases. It only ever rises. A
 * clean-up raises it before it looks for leases a last time; a reader puts his lease before he looks at the floor. So of the two one
 * sees the other, however long either stands still in between (decision 0030). Ages are told by the store's clock alone.
 */

import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { BlastyError, isBlastyError } from '../../../base/errors.ts'
import { type DeltaLake, lakeName, leasesPrefix, storeTime } from './lake.ts'
import { type LakeState, readState } from './state.ts'

/** How long a lease lives that is not renewed, in milliseconds. */
export const leaseMillis = 120_000
const defaultRenewMillis = 20_000
/** How long one that has ended is left lying, in milliseconds: it may be renewed late, and that must not be undone. */
const leftMillis = 24 * 60 * 60 * 1000
/** How often the newest state is read anew because it was overtaken by a clean-up before the lease on it was there. */
const attempts = 3

const digits = 20
const keyOf = (lake: DeltaLake, version: number) =>
  `${leasesPrefix(lake)}lease-${String(version).padStart(digits, '0')}-${randomUUID()}`
const floorKey = (lake: DeltaLake, version: number) =>
  `${leasesPrefix(lake)}floor-${String(version).padStart(digits, '0')}`

type Found = { readonly version: number; readonly key: string; readonly modified: number }
type Seen = { readonly leases: readonly Found[]; readonly floors: readonly Found[] }

async function look(lake: DeltaLake): Promise<Seen> {
  const seen = { lease: [] as Found[], floor: [] as Found[] }
  const prefix = leasesPrefix(lake)
  for await (const { key, modified } of lake.objects.list(lake.bucket, prefix)) {
    const [, kind, version] = /^(lease|floor)-(\d{20})(?:-|$)/.exec(key.slice(prefix.length)) ?? []
    if (kind === 'lease' || kind === 'floor') seen[kind].push({ version: Number(version), key, modified })
  }
  return { leases: seen.lease, floors: seen.floor }
}

const floorOf = ({ floors }: Seen): number => Math.max(0, ...floors.map(({ version }) => version))

export type LeaseOptions = {
  /** What is read for, for whoever looks into the bucket. */
  readonly holder: string
  /** Renewed only by `moveTo`: one whose reader waits for somebody outside ends when that one stands still. */
  readonly moving?: true
  /** How often it is renewed, in milliseconds. */
  readonly renewMillis?: number
}

export class Lease {
  readonly #lake: DeltaLake
  readonly #holder: string
  readonly #renewMillis: number
  #version: number
  #key: string
  #renewedAt = performance.now()
  #timer: NodeJS.Timeout | undefined
  #renewing: Promise<unknown> = Promise.resolve()

  private constructor(lake: DeltaLake, version: number, { holder, renewMillis = defaultRenewMillis }: LeaseOptions) {
    this.#lake = lake
    this.#version = version
    this.#holder = holder
    this.#renewMillis = renewMillis
    this.#key = keyOf(lake, version)
  }

  /**
   * Takes a lease on a version and all behind it.
   * @throws LAKE_VERSION_EXPIRED when clean-up has gone, or may be going, beyond it; errors of the object store
   */
  static async take(lake: DeltaLake, version: number, options: LeaseOptions): Promise<Lease> {
    const lease = new Lease(lake, version, options)
    try {
      await lease.#put()
      await refuseBelowFloor(lake, version)
    } catch (error) {
      await lease.release()
      throw error
    }
    if (options.moving === undefined) {
      lease.#timer = setInterval(() => {
        // One that fails is made good by the next; who comes too late finds out by what is missing.
        lease.#renewing = lease.#put().catch(() => {})
      }, lease.#renewMillis).unref()
    }
    return lease
  }

  /** Nothing below `version` is needed any more. Renews the lease when that is due; else it costs nothing. */
  async moveTo(version: number): Promise<void> {
    if (performance.now() - this.#renewedAt < this.#renewMillis) return
    const before = this.#key
    // The later one first, and its key sorts behind: whoever lists them meanwhile sees one of them at least.
    this.#version = Math.max(this.#version, version)
    this.#key = keyOf(this.#lake, this.#version)
    await this.#put()
    await this.#lake.objects.remove(this.#lake.bucket, [before])
  }

  /**
   * Why something of a version is missing: LAKE_VERSION_EXPIRED where clean-up went on because the lease had ended, else the error
   * itself.
   */
  async explain(error: unknown, version: number = this.#version): Promise<unknown> {
    if (!isBlastyError(error, 'LAKE_CORRUPT')) return error
    try {
      await refuseBelowFloor(this.#lake, version, error)
      return error
    } catch (explained) {
      return explained
    }
  }

  /** Lets go. A lease that cannot be removed ends by itself. */
  async release(): Promise<void> {
    clearInterval(this.#timer)
    await this.#renewing
    await this.#lake.objects.remove(this.#lake.bucket, [this.#key]).catch(() => {})
  }

  async #put(): Promise<void> {
    const started = performance.now()
    const body = Buffer.from(JSON.stringify({ holder: this.#holder, host: hostname(), version: this.#version }))
    await this.#lake.objects.put(this.#lake.bucket, this.#key, body)
    this.#renewedAt = started
  }
}

async function refuseBelowFloor(lake: DeltaLake, version: number, cause?: unknown): Promise<void> {
  const oldest = floorOf(await look(lake))
  if (version < oldest)
    throw new BlastyError('LAKE_VERSION_EXPIRED', { lake: lakeName(lake), version, oldest }, { cause })
}

/**
 * The state of a version, the newest when none is given, with a lease on it; undefined when there is no table.
 * @throws LAKE_VERSION_EXPIRED, and what `readState` throws
 */
export async function leasedState(
  lake: DeltaLake,
  holder: string,
  version?: number,
): Promise<{ readonly state: LakeState; readonly lease: Lease } | undefined> {
  for (let attempt = 1; ; attempt++) {
    const state = await readState(lake, version)
    if (state === undefined) return undefined
    try {
      return { state, lease: await Lease.take(lake, state.version, { holder }) }
    } catch (error) {
      if (version !== undefined || attempt === attempts || !isBlastyError(error, 'LAKE_VERSION_EXPIRED')) throw error
    }
  }
}

/** The lowest version that somebody holds a lease on; undefined when nobody holds any. Removes leases that ended long ago. */
export async function lowestLease(lake: DeltaLake, lifeMillis = leaseMillis): Promise<number | undefined> {
  const now = await storeTime(lake)
  const { leases } = await look(lake)
  const forgotten = leases.filter(({ modified }) => modified + lifeMillis + leftMillis < now)
  if (forgotten.length > 0) {
    await lake.objects.remove(
      lake.bucket,
      forgotten.map(({ key }) => key),
    )
  }
  const held = leases.filter(({ modified }) => modified + lifeMillis >= now)
  return held.length === 0 ? undefined : Math.min(...held.map(({ version }) => version))
}

/**
 * From now on nobody takes a lease below `version`; whoever holds one keeps it. To remove what lies below for good: raise the
 * floor, then wait until `lowestLease` is not below it.
 */
export async function raiseFloor(lake: DeltaLake, version: number): Promise<void> {
  const seen = await look(lake)
  if (floorOf(seen) >= version) return
  await lake.objects.put(lake.bucket, floorKey(lake, version), Buffer.from('{}'))
  const lower = seen.floors.map(({ key }) => key)
  if (lower.length > 0) await lake.objects.remove(lake.bucket, lower)
}
