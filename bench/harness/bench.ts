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
  /** Resources that `reconcile` creates of each kind. */
  readonly n: number
  /** Writes a second of `freshness`. */
  readonly rate: number
  /** How long `freshness` measures. */
  readonly seconds: number
  /** Rounds of benches that compare. */
  readonly rounds: number
}

export type Tell = (line: string) => void

export type Bench = (environment: Environment, options: BenchOptions, tell: Tell) => Promise<Result>
