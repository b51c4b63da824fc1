/** The file that describes a running stack to other processes. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import type { StackInfo } from './info.ts'

/** Writes the description (mode 0600: it holds credentials) so that a reader sees it whole. */
export async function writeStackFile(file: string, info: StackInfo): Promise<void> {
  const fresh = `${file}.new`
  await writeFile(fresh, `${JSON.stringify(info, undefined, 2)}\n`, { mode: 0o600 })
  await rename(fresh, file)
}

/** Reads the description. Throws when the file is not there or is not one. */
export async function readStackFile(file: string): Promise<StackInfo> {
  const value: unknown = JSON.parse(await readFile(file, 'utf8'))
  if (!isStackInfo(value)) throw new Error(`${file} does not describe a stack`)
  return value
}

/** The file is written by this project only: its first fields tell whether it is one of ours. */
function isStackInfo(value: unknown): value is StackInfo {
  return typeof value === 'object' && value !== null && 'folder' in value && 'logs' in value
}
