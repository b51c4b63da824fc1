/** What this process knows of Tables beyond their status: saves requests, and may be lost at any time. */

import type { TableLook } from './observe.ts'
import { trinoAgainSeconds } from './trino.ts'

/** Numbers of schemas that this process wrote or announced; where to look first. */
export type Hints = { readonly written?: number; readonly announced?: number }

type Look = { readonly at: number; readonly generation: number; readonly look: TableLook }

export class TableMemory {
  readonly #hints = new Map<string, Hints>()
  readonly #looks = new Map<string, Look>()
  readonly #trinoFailures = new Map<string, { readonly problem: string; readonly at: number }>()
  readonly #freshMillis: number

  /** A look that found everything as it should be stands for another for `freshMillis`. */
  constructor(freshMillis: number) {
    this.#freshMillis = freshMillis
  }

  hints(uid: string): Hints {
    return this.#hints.get(uid) ?? {}
  }

  /** Something was done: what was seen before is out of date. */
  did(uid: string, hints: Hints = {}): void {
    this.#looks.delete(uid)
    this.#hints.set(uid, { ...this.hints(uid), ...hints })
  }

  saw(uid: string, generation: number, look: TableLook, now: number): void {
    this.#looks.set(uid, { at: now, generation, look })
  }

  /** The last look, if it is fresh and of this generation: many reports come within moments of one another. */
  fresh(uid: string, generation: number, now: number): TableLook | undefined {
    const last = this.#looks.get(uid)
    return last !== undefined && last.generation === generation && now - last.at < this.#freshMillis
      ? last.look
      : undefined
  }

  /** What Trino said against the last action; undefined takes it back. */
  trinoSaid(uid: string, problem: string | undefined, now: number): void {
    if (problem === undefined) this.#trinoFailures.delete(uid)
    else this.#trinoFailures.set(uid, { problem, at: now })
  }

  /** The same, while it is too soon to try again. */
  trinoFailure(uid: string, now: number): string | undefined {
    const failure = this.#trinoFailures.get(uid)
    return failure !== undefined && now - failure.at < trinoAgainSeconds * 1000 ? failure.problem : undefined
  }

  forget(uid: string): void {
    this.#trinoFailures.delete(uid)
    this.#hints.delete(uid)
    this.#looks.delete(uid)
  }
}
