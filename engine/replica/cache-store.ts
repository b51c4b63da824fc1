/** LMDB files as a cache: what was written for something else, or before the machine started, is thrown away. */

import { readFileSync, rmSync } from 'node:fs'
import { open, type RootDatabase } from 'lmdb'

/** For databases within the store, of plain bytes. */
export const binary = { encoding: 'binary', keyEncoding: 'binary' } as const

/** Address space that a store may come to take. A process has 2^47 bytes, for a thousand Tables and more. */
const maxMapBytes = 64 * 1024 ** 3

/** Without a sync a crash of the machine, not of the process, may leave torn pages: the files are good for one boot. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return `process ${process.pid} ${performance.timeOrigin}`
  }
}

/** Opens the store at `path`, empty unless it was made for the same `identity` since the machine started. */
export function openCacheStore(
  path: string,
  identity: Readonly<Record<string, unknown>>,
): RootDatabase<Buffer, string> {
  const stamp = JSON.stringify({ ...identity, boot: bootId() })
  const root = openRoot(path)
  if (root.getBinary('stamp')?.toString() === stamp) return root
  void root.close() // Nothing was written: it closes at once.
  rmSync(path, { recursive: true, force: true })
  const empty = openRoot(path)
  empty.putSync('stamp', Buffer.from(stamp))
  return empty
}

function openRoot(path: string): RootDatabase<Buffer, string> {
  return open({
    path,
    encoding: 'binary',
    noSync: true,
    mapSize: maxMapBytes,
    maxDbs: 4,
    maxReaders: 512,
    compression: false,
  })
}
