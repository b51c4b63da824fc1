/** Secrets generated once for a stack's folder and kept in it. */
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'

/** Text of the file at `path`; `make` writes it (mode 0600) when it is not there. */
export async function keptFile(path: string, make: () => string): Promise<string> {
  try {
    const text = make()
    await writeFile(path, text, { flag: 'wx', mode: 0o600 })
    return text
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return await readFile(path, 'utf8')
    throw error
  }
}

/** 160 random bits in letters and digits. */
export const randomSecret = (): string => randomBytes(20).toString('hex')
