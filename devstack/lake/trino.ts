/** The Trino distribution: in the cache, by Maven, or from a mirror; and the Java that runs it. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import type { DevConfig } from '../config.ts'
import { fetchChecked } from '../download.ts'
import { findOnPath } from '../find.ts'
import { lock } from '../lock.ts'
import { type Report, timed } from '../progress.ts'
import { findJava } from './java.ts'

const run = promisify(execFile)

export const trinoVersion = '476'

/** The oldest Java that this Trino starts on. */
const javaMajor = 24

const archive = `trino-server-${trinoVersion}.tar.gz`
/** Where a mirror has it: the publisher itself hands it out through Maven alone. */
const archiveUrl = `https://trino.io/${archive}`
const archiveSha256 = 'cfd5accde17e8ebd251eeeb78aed1f490e77bb3a164d95a0f454bf8a7c1cbd3f'
const mavenPlugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy'

/** The connectors that are kept; the other forty would cost disk and the time of a start. */
const keptPlugins: readonly string[] = ['delta-lake']

export type TrinoProgram = {
  /** Path of the `java` that runs it. */
  readonly java: string
  /** Folder with `lib` and `plugin`. */
  readonly home: string
}

type TrinoConfig = Pick<DevConfig, 'path' | 'cache' | 'mirror' | 'offline' | 'javaHomes'>

/** Why Trino cannot be started without getting anything first, in a sentence; undefined when it can. */
export async function trinoMissing(config: TrinoConfig): Promise<string | undefined> {
  if ((await findJava(javaMajor, config)) === undefined) return noJava
  if (!existsSync(homeIn(config.cache)))
    return `Trino ${trinoVersion} is not in the cache: node devstack/prepare.ts trino`
  return undefined
}

/**
 * The distribution and its Java. What was got stays in the cache (375 MB); two callers at once do the work once.
 * Throws with every reason when it cannot be had, or with `signal`'s when that is aborted.
 */
export async function resolveTrino(config: TrinoConfig, report: Report, signal?: AbortSignal): Promise<TrinoProgram> {
  const java = await findJava(javaMajor, config)
  if (java === undefined) throw new Error(noJava)
  const home = homeIn(config.cache)
  if (existsSync(home)) return { java, home }
  using _held = await lock(join(config.cache, 'trino.lock'), () =>
    report('waiting for another process that prepares Trino'),
  )
  if (!existsSync(home)) await obtain(home, config, report, signal)
  return { java, home }
}

const noJava = `Trino ${trinoVersion} needs Java ${javaMajor} or newer (https://adoptium.net): put it on PATH or name its folder in JAVA_HOME`

const homeIn = (cache: string): string => join(cache, 'trino', trinoVersion)

async function obtain(home: string, config: TrinoConfig, report: Report, signal?: AbortSignal): Promise<void> {
  if (config.offline) throw new Error(`Trino ${trinoVersion} is not in the cache, and nothing is downloaded offline`)
  const ways: [string, (file: string) => Promise<void>][] = []
  // Maven first: it knows the mirror and the credentials of a machine that has no other way out.
  const maven = await findOnPath('mvn', config.path)
  if (maven !== undefined) {
    ways.push([`getting Trino ${trinoVersion} (821 MB) with Maven`, file => copyWithMaven(maven, file, signal)])
  }
  const source = { mirror: config.mirror, silentHosts: new Set<string>(), signal }
  if (config.mirror !== undefined) {
    ways.push([
      `downloading Trino ${trinoVersion} (821 MB) from the mirror`,
      file => fetchChecked(archiveUrl, archiveSha256, file, source),
    ])
  }
  await mkdir(dirname(home), { recursive: true })
  const reasons: Error[] = []
  for (const [what, fetchTo] of ways) {
    // Beside the target, so that moving it there is one step that other processes see whole or not at all.
    const folder = await mkdtemp(join(dirname(home), '.new-'))
    try {
      await timed(report, what, async () => {
        await fetchTo(join(folder, archive))
        await unpack(join(folder, archive), signal)
      })
      await rename(join(folder, `trino-server-${trinoVersion}`), home)
      return
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof Error)) throw error
      reasons.push(error)
      report(`${what}: ${error.message}`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  if (maven === undefined) reasons.push(new Error('Maven (mvn) is not on PATH'))
  const lines = reasons.map(({ message }) => `  ${message.replaceAll('\n', '\n  ')}`)
  throw new Error([`Trino ${trinoVersion} cannot be had:`, ...lines].join('\n'), { cause: reasons })
}

/** Maven checks its repository's own checksum; ours is checked as well. Its local repository would keep a second copy. */
async function copyWithMaven(maven: string, file: string, signal: AbortSignal | undefined): Promise<void> {
  const folder = dirname(file)
  const args = [
    '--batch-mode',
    '--quiet',
    '--strict-checksums',
    `-Dmaven.repo.local=${join(folder, 'repository')}`,
    mavenPlugin,
    `-Dartifact=io.trino:trino-server:${trinoVersion}:tar.gz`,
    `-DoutputDirectory=${folder}`,
  ]
  try {
    await run(maven, args, { cwd: folder, ...(signal && { signal }) })
  } catch (error) {
    const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error)
    throw new Error(`mvn failed: ${output.trim().split('\n').slice(0, 5).join('\n')}`, { cause: error })
  }
  const actual = await sha256Of(file)
  if (actual !== archiveSha256)
    throw new Error(`${archive} has SHA-256 ${actual}, not ${archiveSha256}: it was not used`)
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

/** Unpacks beside the archive. Jars of a connector are hard links to those of others, so that all must come out first. */
async function unpack(file: string, signal: AbortSignal | undefined): Promise<void> {
  const folder = dirname(file)
  await run('tar', ['-xzf', file, '-C', folder], signal && { signal })
  const home = join(folder, `trino-server-${trinoVersion}`)
  const plugins = await readdir(join(home, 'plugin'))
  const unwanted = [
    ...plugins.filter(name => !keptPlugins.includes(name)).map(name => join('plugin', name)),
    'secrets-plugin',
    'bin',
  ]
  for (const path of unwanted) await rm(join(home, path), { recursive: true, force: true })
}
