/** A lock between processes that the system releases when its holder dies: an exclusive transaction on an SQLite file. */
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'

const busyCode = 5 // SQLITE_BUSY

/** Held until disposed of. */
export type Lock = Disposable

/** Takes the lock at `path`, or returns undefined when another process or caller holds it. */
export async function tryLock(path: string): Promise<Lock | undefined> {
  await mkdir(dirname(path), { recursive: true })
  const database = new DatabaseSync(path)
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === busyCode) return undefined
    throw error
  }
  return { [Symbol.dispose]: () => database.close() }
}

/** Takes the lock at `path`, waiting as long as another holds it; `onWait` is called once if so. */
export async function lock(path: string, onWait: () => void = () => {}): Promise<Lock> {
  for (let first = true; ; first = false) {
    const held = await tryLock(path)
    if (held !== undefined) return held
    if (first) onWait()
    await delay(200)
  }
}
