/** Gets every program of the development servers ready: `node devstack/prepare.ts`. A test run then starts at once. */
import { resolvePrograms } from './binaries.ts'
import { devConfig } from './config.ts'
import { programNames } from './programs.ts'
import { reportToStderr } from './progress.ts'

try {
  const found = await resolvePrograms(programNames, devConfig(), reportToStderr)
  for (const [name, file] of found) process.stdout.write(`${name.padEnd(24)} ${file}\n`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
