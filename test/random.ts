/**
 * fast-check as the tests use it: every run of the tests tries the same random cases, so that a change is judged by what it changes.
 * `BLASTY_TEST_SEED` tries others (`random`: new ones each time), `BLASTY_TEST_RUNS` more of them; both then say what they were.
 */

import { randomInt } from 'node:crypto'
import fc from 'fast-check'
import { devConfig } from '../devstack/config.ts'

const { testRuns, testSeed } = devConfig()

const seed = testSeed === 'random' ? randomInt(2 ** 31) : (testSeed ?? 1)
fc.configureGlobal({ seed })
// A campaign says at once what would run it again, also for when it is cut short.
if (testSeed === 'random' || testRuns !== undefined)
  process.stderr.write(
    `random cases: BLASTY_TEST_SEED=${seed}${testRuns === undefined ? '' : ` BLASTY_TEST_RUNS=${testRuns}`}\n`,
  )

/** How many random cases to try: as many as are usual for a property, or what a campaign asks for where that is more. */
export const runs = (usual: number): number => Math.max(usual, testRuns ?? 0)

export default fc
