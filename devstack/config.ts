/** What the environment says about the development servers: the one place of `devstack/` that reads it. */
import { homedir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'

export type DevConfig = {
  /** Folders searched for programs, in order. */
  readonly path: readonly string[]
  /** Folder that keeps downloaded and built programs (`BLASTY_CACHE`). */
  readonly cache: string
  /** Address that stands in for the publishers' hosts: `<mirror>/<host>/<path>` (`BLASTY_DOWNLOAD_MIRROR`). */
  readonly mirror: string | undefined
  /** Nothing is downloaded (`BLASTY_OFFLINE=1`); the Go toolchain keeps its own settings. */
  readonly offline: boolean
  /** Folders of Java installations that the environment names, the chosen one first (`JAVA_HOME`, then `JAVA_HOME_*`). */
  readonly javaHomes: readonly string[]
  /** This is the check of a change: what is missing fails tests instead of skipping them (`CI`). */
  readonly ci: boolean
  /** A Meilisearch that runs already, and its master key (`MEILI_URL`, `MEILI_MASTER_KEY`). */
  readonly meilisearch: { readonly url: string; readonly key: string } | undefined
  /** A file written by `npm run dev`: tests use that stack instead of starting one (`BLASTY_STACK`). */
  readonly stackFile: string | undefined
  /** Servers that a test run starts, of `kubernetes nats objectStore search` (`BLASTY_TEST_SERVERS`); unset = all. */
  readonly testServers: readonly string[] | undefined
  /** How many random cases of a property a campaign tries, with every fault at every place (`BLASTY_TEST_RUNS`); unset = a few. */
  readonly testRuns: number | undefined
  /** Seed of random cases (`BLASTY_TEST_SEED`), as a failure tells it, or `random`: another each time; unset = always the same. */
  readonly testSeed: number | 'random' | undefined
}

/** Name of the variable that tells tests where the description of their stack lies. */
export const stackFileVariable = 'BLASTY_STACK'

/** Reads the configuration; unset and empty variables mean the same. */
export function devConfig(env: NodeJS.ProcessEnv = process.env): DevConfig {
  const text = (name: string): string | undefined => env[name] || undefined
  const whole = (name: string): number | undefined => {
    const number = Number(text(name) ?? Number.NaN)
    return Number.isSafeInteger(number) ? number : undefined
  }
  const url = text('MEILI_URL')
  return {
    path: (text('PATH') ?? '').split(delimiter).filter(folder => folder !== ''),
    cache: resolve(text('BLASTY_CACHE') ?? join(text('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'blasty')),
    mirror: text('BLASTY_DOWNLOAD_MIRROR')?.replace(/\/+$/, ''),
    offline: text('BLASTY_OFFLINE') === '1',
    javaHomes: ['JAVA_HOME', ...Object.keys(env).filter(name => name.startsWith('JAVA_HOME_'))]
      .map(text)
      .filter(home => home !== undefined),
    ci: !['0', 'false', undefined].includes(text('CI')),
    meilisearch: url === undefined ? undefined : { url, key: text('MEILI_MASTER_KEY') ?? '' },
    stackFile: text(stackFileVariable),
    testServers: text('BLASTY_TEST_SERVERS')
      ?.split(/[\s,]+/)
      .filter(name => name !== ''),
    testRuns: whole('BLASTY_TEST_RUNS'),
    testSeed: text('BLASTY_TEST_SEED') === 'random' ? 'random' : whole('BLASTY_TEST_SEED'),
  }
}

/** This process's environment with more in it, for a child process. */
export function inheritedEnvironment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { ...process.env, ...more }
}

/** Tells processes started from now on where the description of the running stack lies. */
export function announceStack(file: string): void {
  process.env[stackFileVariable] = file
}
