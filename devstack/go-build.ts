/** Building a program with the Go toolchain, versions pinned. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { inheritedEnvironment } from './config.ts'
import type { Program } from './programs.ts'

const run = promisify(execFile)
const outputBytes = 16 * 1024 * 1024

/** Go's own sentence about what went wrong is at the end of what it prints. */
const shownLines = 5

/**
 * Builds `program` with the toolchain `go` into `folder` and returns its path. Go keeps its own caches, so a second
 * build is quick. `signal` ends the build. Throws with the last lines of what Go printed.
 */
export async function goBuild(program: Program, folder: string, go: string, signal?: AbortSignal): Promise<string> {
  const { build } = program
  const common = ['-trimpath', '-ldflags', build.ldflags]
  const target = join(folder, program.name)
  const args =
    'moduleVersion' in build
      ? ['install', ...common, `${build.package}@${build.moduleVersion}`]
      : ['build', '-C', build.moduleFolder, '-mod=readonly', ...common, '-o', target, build.package]
  try {
    // GOFLAGS may hold `-mod=vendor`, GOOS another platform: what was pinned is built for this machine.
    const env = inheritedEnvironment({
      CGO_ENABLED: '0',
      GOFLAGS: '',
      GOWORK: 'off',
      GOOS: '',
      GOARCH: '',
      GOBIN: folder,
    })
    await run(go, args, {
      env,
      cwd: folder,
      maxBuffer: outputBytes,
      killSignal: 'SIGINT', // the one at which go also ends what it started
      ...(signal && { signal }),
    })
  } catch (error) {
    const output = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
    throw new Error(`go ${args[0]} failed: ${output.trim().split('\n').slice(-shownLines).join('\n')}`, {
      cause: error,
    })
  }
  return target
}
