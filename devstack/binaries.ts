/** Finds each program on PATH, in the cache, as an official download, or builds it; says what is missing in the end. */
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { DevConfig } from './config.ts'
import { download } from './download.ts'
import { findOnPath, isExecutable } from './find.ts'
import { goBuild } from './go-build.ts'
import { lock } from './lock.ts'
import { thisPlatform } from './platform.ts'
import { type Program, type ProgramName, programs } from './programs.ts'
import { type Report, timed } from './progress.ts'
import { acceptable, versionOf } from './version.ts'

/** Paths of programs by name. */
export type Programs = ReadonlyMap<ProgramName, string>

/**
 * Paths of the programs named, in the order PATH (if its version will do), cache, download, Go build.
 * What was downloaded or built stays in the cache; two callers at once do the work once.
 * Throws one error that names everything missing, why, and what to install; or `signal`'s reason when that is aborted.
 */
export async function resolvePrograms(
  names: readonly ProgramName[],
  config: Pick<DevConfig, 'path' | 'cache' | 'mirror' | 'offline'>,
  report: Report,
  signal?: AbortSignal,
): Promise<Programs> {
  const found = new Map<ProgramName, string>()
  const look = async (name: ProgramName): Promise<void> => {
    const file = await find(programs[name], config)
    if (file !== undefined) found.set(name, file)
  }
  await Promise.all(names.map(look))
  const wanted = names.filter(name => !found.has(name))
  if (wanted.length === 0) return found

  using _held = await lock(join(config.cache, 'lock'), () =>
    report('waiting for another process that prepares programs'),
  )
  const silentHosts = new Set<string>()
  const missing: Missing[] = []
  for (const name of wanted) {
    await look(name) // another process may have made it meanwhile
    if (found.has(name)) continue
    const outcome = await obtain(programs[name], config, { silentHosts, signal }, report)
    if ('file' in outcome) found.set(name, outcome.file)
    else missing.push(outcome)
  }
  if (missing.length > 0) throw new Error(describe(missing), { cause: missing.flatMap(({ reasons }) => reasons) })
  return found
}

const cachedFile = (program: Program, cache: string): string =>
  join(cache, 'bin', program.name, program.version, program.name)

async function find(program: Program, { path, cache }: Pick<DevConfig, 'path' | 'cache'>): Promise<string | undefined> {
  const file = await findOnPath(program.name, path)
  const version = file === undefined ? undefined : await versionOf(file, program)
  if (version !== undefined && acceptable(version, program)) return file
  const cached = cachedFile(program, cache)
  return (await isExecutable(cached)) ? cached : undefined
}

type Missing = { readonly program: Program; readonly reasons: readonly Error[] }

/** Downloads or builds a program into the cache. */
async function obtain(
  program: Program,
  config: Pick<DevConfig, 'path' | 'cache' | 'mirror' | 'offline'>,
  { silentHosts, signal }: { readonly silentHosts: Set<string>; readonly signal: AbortSignal | undefined },
  report: Report,
): Promise<{ readonly file: string } | Missing> {
  const target = cachedFile(program, config.cache)
  const title = `${program.name} ${program.version}`
  const release = config.offline ? undefined : program.release?.(thisPlatform)
  const ways: [string, (folder: string) => Promise<string>][] = []
  if (release !== undefined) {
    ways.push([
      `downloading ${title}`,
      folder => download(release, folder, { mirror: config.mirror, silentHosts, signal }),
    ])
  }
  const go = await findOnPath('go', config.path)
  if (go !== undefined) {
    const minutes = `about ${program.buildMinutes} min, once`
    ways.push([`building ${title} with Go (${minutes})`, folder => goBuild(program, folder, go, signal)])
  }

  await mkdir(dirname(target), { recursive: true })
  const reasons: Error[] = []
  for (const [what, make] of ways) {
    // Beside the target, so that moving it there is one step that other processes see whole or not at all.
    const folder = await mkdtemp(join(dirname(target), '.new-'))
    try {
      const file = await timed(report, what, () => make(folder))
      await chmod(file, 0o755)
      await rename(file, target)
      return { file: target }
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof Error)) throw error
      reasons.push(error)
      report(`${what}: ${error.message}`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  if (go === undefined) reasons.push(new Error('the Go toolchain (go) is not on PATH'))
  return { program, reasons }
}

function describe(missing: readonly Missing[]): string {
  const lines = missing.map(({ program, reasons }) => {
    const why = reasons.map(reason => `    ${reason.message.replaceAll('\n', '\n    ')}`).join('\n')
    return `  ${program.name} ${program.minimum} or newer (${program.homepage})\n${why}`
  })
  return [
    'programs are missing for the development servers:',
    ...lines,
    'Install Go 1.26 or newer (https://go.dev/dl/) and they are built, or put them on PATH.',
  ].join('\n')
}
