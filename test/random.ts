/**
 * fast-check as the tests use it: every run of the tests tries the same random cases, so that a change is judged by what it changes.
 * `BLASTY_TEST_SEED` tries others (`random`: new ones each time), `BLASTY_TEST_RUNS` more of them.
 */

import fc from 'fast-check'
import { devConfig } from '../devstack/config.ts'

const { testRuns, testSeed } = devConfig()

if (testSeed !== 'random') fc.configureGlobal({ seed: testSeed ?? 1 })

/** How many random cases to try: as many as are usual for a property, or what a campaign asks for where that is more. */
export const runs = (usual: number): number => Math.max(usual, testRuns ?? 0)

export default fc
