/**
 * Gets what the development servers need, and starts nothing: `node devstack/prepare.ts` the programs of every stack,
 * `node devstack/prepare.ts trino python` what only some tests need. A test run then starts at once.
 */
import { resolvePrograms } from './binaries.ts'
import { devConfig } from './config.ts'
import { resolvePython } from './lake/python.ts'
import { resolveTrino } from './lake/trino.ts'
import { programNames } from './programs.ts'
import { reportToStderr } from './progress.ts'

const config = devConfig()
const asked = process.argv.slice(2)

const kinds: Readonly<Record<string, () => Promise<Iterable<readonly [name: string, path: string]>>>> = {
  programs: () => resolvePrograms(programNames, config, reportToStderr),
  trino: async () => {
    const { java, home } = await resolveTrino(config, reportToStderr)
    return [
      ['trino', home],
      ['java', java],
    ]
  },
  python: async () => [['python', await resolvePython(config, reportToStderr)]],
}

for (const kind of asked.length === 0 ? ['programs'] : asked) {
  try {
    const prepare = kinds[kind]
    if (prepare === undefined) throw new Error(`${kind} is none of ${Object.keys(kinds).join(', ')}`)
    for (const [name, path] of await prepare()) process.stdout.write(`${name.padEnd(24)} ${path}\n`)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
