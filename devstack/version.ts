/** Versions of programs: reading and comparing them. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Program } from './programs.ts'

const run = promisify(execFile)
const timeoutMilliseconds = 10_000

/** The version a program says it has, or undefined when it cannot be run or read. */
export async function versionOf(file: string, program: Program): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await run(file, [...program.versionArgs], { timeout: timeoutMilliseconds })
    return program.versionPattern.exec(stdout + stderr)?.[1]
  } catch (error) {
    // It does not run here or knows no such option: then it is not the program meant.
    if (error instanceof Error) return undefined
    throw error
  }
}

/** Compares the numbers in two versions from left to right; what is missing counts as 0. Negative when `a` is older. */
export function compareVersions(a: string, b: string): number {
  const numbers = (version: string): number[] => (version.match(/\d+/g) ?? []).map(Number)
  const [left, right] = [numbers(a), numbers(b)]
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** True when a version found may stand in for the pinned one: not older than the minimum, same major version. */
export function acceptable(version: string, program: Program): boolean {
  const major = (text: string): string | undefined => /\d+/.exec(text)?.[0]
  const sameMajor = program.sameMajor === false || major(version) === major(program.minimum)
  return sameMajor && compareVersions(version, program.minimum) >= 0
}
