/** What keeps a lake quick to open and no larger than its history: checkpoints, and the removal of what nobody can ask for. */

import { lastCheckpoint, writeCheckpoint } from './delta/checkpoint.ts'
import { cleanLog, vacuum } from './delta/clean-up.ts'
import type { DeltaLake } from './delta/lake.ts'
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
}

const hour = 3_600_000

export class Upkeep {
  readonly #options: UpkeepOptions
  /** Version of the newest checkpoint, as far as it is known. */
  #checkpoint: number | undefined
  #cleanAt: number

  constructor(options: UpkeepOptions) {
    this.#options = options
    this.#cleanAt = performance.now() + (options.cleanMillis ?? hour)
  }

  /** To be called behind each commit, with the newest state. */
  async after(state: LakeState): Promise<void> {
    const { lake, historySeconds, scratch, now, cleanMillis = hour } = this.#options
    const { checkpointVersions = defaultCheckpointVersions } = this.#options
    this.#checkpoint ??= (await lastCheckpoint(lake)) ?? 0
    if (state.version >= this.#checkpoint + checkpointVersions) {
      await writeCheckpoint(lake, state, scratch)
      this.#checkpoint = state.version
    }
    if (performance.now() < this.#cleanAt) return
    const olderThan = now() - historySeconds * 1000
    await cleanLog(lake, state, { olderThan })
    await vacuum(lake, state, { olderThan, keep: () => false })
    this.#cleanAt = performance.now() + cleanMillis
  }
}
