/** Processor time of the programs that a bench started, by name: what of a figure is work, and what is waiting for a core. */

import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** Milliseconds by program, threads and ended children of its own included. */
export type ProcessorTimes = ReadonlyMap<string, number>

type Process = { readonly parent: number; readonly millis: number; readonly args: readonly string[] }

/** Linux counts processor time in hundredths of a second, whatever its clock. */
const tickMillis = 10

/** Of all descendants of this process; empty where there is no /proc. */
export function processorTimes(): ProcessorTimes {
  const processes = new Map<number, Process>()
  for (const entry of entriesOf('/proc')) {
    const found = /^\d+$/.test(entry) ? readProcess(entry) : undefined
    if (found !== undefined) processes.set(Number(entry), found)
  }
  const ours = (pid: number): boolean => {
    const parent = processes.get(pid)?.parent
    return parent !== undefined && parent > 1 && (parent === process.pid || ours(parent))
  }
  const times = new Map<string, number>()
  for (const [pid, { millis, args }] of processes) {
    if (ours(pid)) times.set(nameOf(args), (times.get(nameOf(args)) ?? 0) + millis)
  }
  return times
}

/** What was spent between two readings on each of `count` things, most first, in a line such as `facade 0.41 ms, …`. */
export function spent(before: ProcessorTimes, after: ProcessorTimes, count: number): string {
  return [...after]
    .map(([name, millis]) => ({ name, each: (millis - (before.get(name) ?? 0)) / count }))
    .filter(({ each }) => each >= 0.005)
    .sort((a, b) => b.each - a.each)
    .map(({ name, each }) => `${name} ${each.toFixed(2)} ms`)
    .join(', ')
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Seconds that one process has used so far, in user and system mode, all its threads together; 0 where there is no /proc. */
export function processorSeconds(pid: number): number {
  return (readProcess(String(pid))?.millis ?? 0) / 1000
}

/** Undefined for one that has ended meanwhile. See proc(5) for the fields behind the name, which may hold anything. */
function readProcess(pid: string): Process | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [, parent, , , , , , , , , , user, system] = fields.map(Number)
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return { parent: parent ?? 0, millis: ((user ?? 0) + (system ?? 0)) * tickMillis, args }
  } catch {
    return undefined
  }
}

/** A role by its name, another program of Node by its file, anything else by itself. */
function nameOf([program = '', ...args]: readonly string[]): string {
  const script = args.findIndex(arg => arg.endsWith('.ts'))
  const file = args[script]
  if (file === undefined) return basename(program)
  const role = args[script + 1]
  return basename(file) === 'blasty.ts' && role !== undefined ? role : basename(file, '.ts')
}
