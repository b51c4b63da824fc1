/** For tests: schemas that show every column type, and the buf that comes with the project. */

import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type Column, scalarTypes, type TableSchema } from '../../engine/schema/schema.ts'

const root = join(import.meta.dirname, '../..')

/** Runs buf in a folder; rejects with what it says. Resolves with its standard output. */
export async function buf(cwd: string, ...args: string[]): Promise<Buffer> {
  const binaries = join(root, 'node_modules/.bin')
  const { stdout } = await promisify(execFile)(join(binaries, 'buf'), args, {
    cwd,
    // buf finds its plugin on the PATH.
    env: { ...process.env, PATH: `${binaries}${delimiter}${process.env.PATH}` },
    encoding: 'buffer',
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout
}

/** A temporary buf workspace that holds the project's own protos and the given files, by path. */
export async function protoWorkspace(files: ReadonlyMap<string, string>): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'blasty-proto-'))
  await cp(join(root, 'proto/blasty'), join(path, 'blasty'), { recursive: true })
  await writeFile(join(path, 'buf.yaml'), 'version: v2\nlint: { use: [STANDARD, COMMENTS] }\n')
  for (const [name, text] of files) {
    await mkdir(dirname(join(path, name)), { recursive: true })
    await writeFile(join(path, name), text)
  }
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

/** A keyed schema with every type as a nullable column, a required one, and arrays of both kinds. */
export function schemaOfEverything(): TableSchema {
  const decimal = { precision: 18, scale: 2 }
  const columns = scalarTypes.flatMap((type, i): Column[] => {
    const more = type === 'Decimal' ? decimal : {}
    const name = type.toLowerCase()
    const items = { type, ...more }
    return [
      { name: `${name}_one`, type, required: true, field: i * 4 + 1, ...more },
      { name: `${name}_maybe`, type, required: false, field: i * 4 + 2, ...more },
      { name: `${name}_list`, type: 'Array', items, required: true, field: i * 4 + 3 },
      { name: `${name}_list_maybe`, type: 'Array', items, required: false, field: i * 4 + 4 },
    ]
  })
  return {
    number: 7,
    columns,
    retired: [
      { name: 'old_name', field: 900 },
      { name: 'older', field: 901 },
    ],
    primaryKey: ['string_one', 'int64_one'],
  }
}
