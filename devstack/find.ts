/** Finding a program in the folders of PATH. */
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** True for a file that may be executed. */
export async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK)
    return (await stat(file)).isFile()
  } catch (error) {
    // Whatever the reason (missing, no permission, a broken link): it cannot be run.
    if (error instanceof Error && 'code' in error) return false
    throw error
  }
}

/** The first executable file `name` in `folders`. */
export async function findOnPath(name: string, folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const file = join(folder, name)
    if (await isExecutable(file)) return file
  }
  return undefined
}
