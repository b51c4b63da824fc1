import type { Bench } from './harness/bench.ts'
export const reconcile: Bench = async () => {
  throw new Error('not yet')
}
