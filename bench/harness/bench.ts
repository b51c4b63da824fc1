/** What a bench is, and what it answers. */

import type { Environment } from './environment.ts'

export type Figures = Readonly<Record<string, number>>

export type Result = {
  /** By name; the unit stands in the name. */
  readonly figures: Figures
  /** What a reader must know to judge them. */
  readonly notes: readonly string[]
}

export type BenchOptions = {
  /** Resources that `reconcile` creates of each kind, or subjects of `subjects`. */
  readonly n?: number
  /** Writes a second of `freshness`. */
  readonly rate: number
  /** How long `freshness` measures. */
  readonly seconds: number
  /** Rounds of benches that compare. */
  readonly rounds: number
}

export type Tell = (line: string) => void

export type Bench = (environment: Environment, options: BenchOptions, tell: Tell) => Promise<Result>

/** A bench that starts the few servers it needs by itself. */
export type LoneBench = (options: BenchOptions, tell: Tell) => Promise<Result>
