/** `npm run bench -- NAME`: runs one bench and prints its figures; with `--json` as one object on the last line. */

import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import { archive } from './archive.ts'
import { freshness } from './freshness.ts'
import { get } from './get.ts'
import type { Bench, BenchOptions, LoneBench, Result } from './harness/bench.ts'
import { openEnvironment } from './harness/environment.ts'
import { rounded } from './harness/statistics.ts'
import { ingest } from './ingest.ts'
import { reconcile } from './reconcile.ts'
import { recover } from './recover.ts'
import { search } from './search.ts'
import { sql } from './sql.ts'
import { subjects } from './subjects.ts'
import { write } from './write.ts'

const benches: Readonly<Record<string, Bench>> = {
  reconcile,
  write,
  freshness,
  search,
  archive,
  recover,
  ingest,
  get,
  sql,
}
const loneBenches: Readonly<Record<string, LoneBench>> = { subjects }
const devFile = fileURLToPath(new URL('../.blasty/dev.json', import.meta.url))
const whole = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`${text} is no whole number above zero`)
  return value
}
const number = (flags: string, description: string) => new Option(flags, description).argParser(whole)

type Flags = BenchOptions & { readonly json?: true; readonly attach?: string | true; readonly profile?: string }

const program = new Command('bench')
  .argument('<name>', [...Object.keys(benches), ...Object.keys(loneBenches)].join(', '))
  .option('--json', 'print one JSON object as the last line')
  .option('--attach [file]', 'use the servers of a running `npm run dev`, or of another file that describes a stack')
  .option('--profile <folder>', 'write CPU profiles of the roles')
  .addOption(number('--n <count>', 'reconcile: resources of each kind (300); subjects: how many (1000000)'))
  .addOption(number('--rate <writes>', 'freshness: writes a second').default(1000))
  .addOption(number('--seconds <count>', 'freshness: how long to measure').default(30))
  .addOption(number('--rounds <count>', 'all others: rounds to take the median of').default(5))
  .action(run)

const tell = (line: string): void => {
  process.stderr.write(`${line}\n`)
}

async function run(name: string, { json, attach, profile, ...options }: Flags): Promise<void> {
  const { figures, notes } = await measure(name, attach === true ? devFile : attach, profile, options)
  const shown = Object.fromEntries(Object.entries(figures).map(([figure, value]) => [figure, rounded(value)]))
  const lines = json
    ? [JSON.stringify({ bench: name, figures: shown, notes })]
    : [...Object.entries(shown).map(([figure, value]) => `${figure.padEnd(28)}${value}`), ...notes]
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function measure(
  name: string,
  attach: string | undefined,
  profile: string | undefined,
  options: BenchOptions,
): Promise<Result> {
  const lone = loneBenches[name]
  if (lone !== undefined) return lone(options, tell)
  const bench = benches[name]
  if (bench === undefined) throw new Error(`there is no bench ${name}`)
  const environment = await openEnvironment(
    { ...(attach === undefined ? {} : { attach }), ...(profile === undefined ? {} : { profile }) },
    tell,
  )
  try {
    return await Promise.race([bench(environment, options, tell), environment.crashed])
  } finally {
    tell('stopping')
    await environment.close()
  }
}

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`the bench could not run: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`)
  process.exitCode = 1
}
