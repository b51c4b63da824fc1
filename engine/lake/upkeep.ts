/** What keeps a lake quick to open and no larger than its history: checkpoints, and the removal of what nobody can ask for. */

import { lastCheckpoint, writeCheckpoint } from './delta/checkpoint.ts'
import { cleanLog, vacuum } from './delta/clean-up.ts'
import { type DeltaLake, storeTime } from './delta/lake.ts'
import type { LakeState } from './delta/state.ts'

/** So many commits are read at most to know the state. */
const defaultCheckpointVersions = 20

export type UpkeepOptions = {
  readonly lake: DeltaLake
  readonly historySeconds: number
  readonly scratch: string
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds from one removal to the next. */
  readonly cleanMillis?: number
  /** Versions from one checkpoint to the next. */
  readonly checkpointVersions?: number
  /** Younger objects are never removed; longer than a commit takes, in milliseconds. */
  readonly leastAgeMillis?: number
}

const hour = 3_600_000

export class Upkeep {
  readonly #options: UpkeepOptions
  /** Version of the newest checkpoint, as far as it is known. */
  #checkpoint: number | undefined
  /** By the monotonic clock; undefined until it is known when the last removal was. */
  #cleanAt: number | undefined

  constructor(options: UpkeepOptions) {
    this.#options = options
  }

  /** To be called behind each commit, with the newest state. */
  async after(state: LakeState): Promise<void> {
    const { lake, historySeconds, scratch, now, cleanMillis = hour } = this.#options
    const { checkpointVersions = defaultCheckpointVersions, leastAgeMillis } = this.#options
    this.#checkpoint ??= (await lastCheckpoint(lake)) ?? 0
    if (state.version >= this.#checkpoint + checkpointVersions) {
      await writeCheckpoint(lake, state, scratch)
      this.#checkpoint = state.version
    }
    this.#cleanAt ??= performance.now() + (await millisToCleaning(lake, cleanMillis))
    if (performance.now() < this.#cleanAt) return
    const olderThan = now() - historySeconds * 1000
    await cleanLog(lake, state, { olderThan })
    const age = leastAgeMillis === undefined ? {} : { leastAgeMillis }
    await vacuum(lake, state, { olderThan, keep: () => false, ...age })
    await noteCleaned(lake)
    this.#cleanAt = performance.now() + cleanMillis
  }
}

/** Its age tells when the lake was cleaned last: an archiver seldom lives as long as it takes until the next time. */
const cleanedKey = ({ root }: DeltaLake) => `${root}/_blasty/cleaned`

const noteCleaned = (lake: DeltaLake) => lake.objects.put(lake.bucket, cleanedKey(lake), Buffer.from('{}'))

/** How long it is until the next removal is due. The time to the first is counted from when somebody looked. */
async function millisToCleaning(lake: DeltaLake, cleanMillis: number): Promise<number> {
  const key = cleanedKey(lake)
  for await (const object of lake.objects.list(lake.bucket, key)) {
    if (object.key !== key) continue
    return Math.max(0, object.modified + cleanMillis - (await storeTime(lake)))
  }
  await noteCleaned(lake)
  return cleanMillis
}
