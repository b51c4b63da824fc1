import type { Bench } from './harness/bench.ts'
export const search: Bench = async () => {
  throw new Error('not yet')
}
