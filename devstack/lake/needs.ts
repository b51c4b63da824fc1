/** Tests that need what not every machine has: run where it is there, skipped with the reason in their name, failed in CI. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { devConfig } from '../config.ts'
import { pythonMissing } from './python.ts'
import { trinoMissing } from './trino.ts'

const missing = { trino: trinoMissing, python: pythonMissing } as const

export type Need = keyof typeof missing

/**
 * Why tests that need these cannot run here, or undefined when they can. Nothing is downloaded by a test run; CI gets them
 * beforehand, and what failed there fails the tests by name.
 */
export async function missingHere(...needs: readonly Need[]): Promise<string | undefined> {
  const config = devConfig()
  const reasons = await Promise.all(needs.map(need => missing[need](config)))
  return reasons.filter(reason => reason !== undefined).join('; ') || undefined
}

type Run = (t: TestContext) => Promise<void>

/** `test` for a file whose needs are `missing`, as `missingHere` says. */
export function testNeeding(reason: string | undefined): (name: string, run: Run) => void {
  return (name, run) => {
    if (reason === undefined) test(name, run)
    else if (devConfig().ci) test(name, () => assert.fail(reason))
    else test(`${name} (skipped: ${reason})`, { skip: true }, run)
  }
}
