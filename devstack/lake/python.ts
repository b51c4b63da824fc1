/** A Python with delta-rs: a virtual environment in the cache, its packages pinned by their hashes. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { DevConfig } from '../config.ts'
import { findOnPath } from '../find.ts'
import { lock } from '../lock.ts'
import { type Report, timed } from '../progress.ts'
import { compareVersions } from '../version.ts'

const run = promisify(execFile)
const requirements = fileURLToPath(new URL('./requirements.txt', import.meta.url))

/** The oldest Python that the pinned packages have wheels for. */
const minimum = '3.10'
const names: readonly string[] = ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10']

type PythonConfig = Pick<DevConfig, 'path' | 'cache' | 'offline'>

/** Why there is no Python with delta-rs without getting anything first, in a sentence; undefined when there is. */
export async function pythonMissing(config: PythonConfig): Promise<string | undefined> {
  const base = await findPython(config)
  if (base === undefined) return noPython
  const ready = existsSync(await environmentOf(base, config))
  return ready ? undefined : 'delta-rs is not in the cache: node devstack/prepare.ts python'
}

/**
 * Path of a `python` that imports deltalake and pyarrow. What was installed stays in the cache (330 MB), by the versions of
 * Python and packages; two callers at once do the work once. Throws with what pip says, or `signal`'s reason.
 */
export async function resolvePython(config: PythonConfig, report: Report, signal?: AbortSignal): Promise<string> {
  const base = await findPython(config)
  if (base === undefined) throw new Error(noPython)
  const environment = await environmentOf(base, config)
  const python = join(environment, 'bin', 'python')
  if (existsSync(environment)) return python
  if (config.offline) throw new Error('delta-rs is not in the cache, and nothing is downloaded offline')
  using _held = await lock(join(config.cache, 'python.lock'), () =>
    report('waiting for another process that prepares Python'),
  )
  if (existsSync(environment)) return python
  await mkdir(dirname(environment), { recursive: true })
  // Beside the target, so that moving it there is one step that other processes see whole or not at all.
  const folder = await mkdtemp(join(dirname(environment), '.new-'))
  try {
    await timed(report, 'installing delta-rs with pip', () => install(base.path, folder, signal))
    await rename(folder, environment)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return python
}

const noPython = `delta-rs needs Python ${minimum} or newer (https://www.python.org) on PATH`

type BasePython = { readonly path: string; readonly version: string }

async function findPython({ path }: PythonConfig): Promise<BasePython | undefined> {
  for (const name of names) {
    const file = await findOnPath(name, path)
    const version = file === undefined ? undefined : await versionOf(file)
    if (file !== undefined && version !== undefined && compareVersions(version, minimum) >= 0) {
      return { path: file, version }
    }
  }
  return undefined
}

/** What Python says of its version; undefined when it does not run, as the shim of a version manager may not. */
async function versionOf(file: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(file, ['-c', 'import platform; print(platform.python_version())'])
    return stdout.trim()
  } catch (error) {
    if (error instanceof Error) return undefined
    throw error
  }
}

/** The environment's folder: another Python, or other packages, get another one. */
async function environmentOf({ path, version }: BasePython, { cache }: PythonConfig): Promise<string> {
  const hash = createHash('sha256')
    .update(await readFile(requirements))
    .update(path)
  return join(cache, 'python', `${version}-${hash.digest('hex').slice(0, 12)}`)
}

async function install(base: string, folder: string, signal: AbortSignal | undefined): Promise<void> {
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:']
  try {
    await run(base, ['-m', 'venv', folder], signal && { signal })
    const python = join(folder, 'bin', 'python')
    await run(python, [...pip, '--require-hashes', '--requirement', requirements], signal && { signal })
  } catch (error) {
    signal?.throwIfAborted()
    const output = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
    throw new Error(`delta-rs cannot be installed: ${output.trim().split('\n').slice(-5).join('\n')}`, { cause: error })
  }
}
