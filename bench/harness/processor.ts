/** Processor time of a process: what a figure costs, also on a machine that has other things to do. Linux only. */

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

let ticks: Promise<number> | undefined

async function ticksPerSecond(): Promise<number> {
  const { stdout } = await promisify(execFile)('getconf', ['CLK_TCK'])
  return Number(stdout)
}

/** Seconds that a process has used so far, in user and system mode, all its threads together. */
export async function processorSeconds(pid: number): Promise<number> {
  ticks ??= ticksPerSecond()
  // Fields 14 and 15 of proc(5); the second is a name in brackets that may hold blanks.
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / (await ticks)
}
