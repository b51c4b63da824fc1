import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { buf } from '../facade/generated/testing.ts'

const root = join(import.meta.dirname, '..')

async function contents(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const texts = await Promise.all(files.map(file => readFile(file, 'utf8')))
  return new Map(files.map((file, i) => [file.slice(folder.length), texts[i] ?? '']))
}

describe('the protos', () => {
  it('are free of lint, comments on everything included', async () => {
    await buf(root, 'lint')
  })

  it('are what the generated code was made from', async () => {
    const copy = await mkdtemp(join(tmpdir(), 'blasty-gen-'))
    try {
      for (const name of ['buf.yaml', 'buf.gen.yaml', 'proto']) {
        await cp(join(root, name), join(copy, name), { recursive: true })
      }
      await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
      await buf(copy, 'generate')
      const [committed, fresh] = [await contents(join(root, 'proto/gen')), await contents(join(copy, 'proto/gen'))]
      assert.ok(fresh.size > 10)
      assert.deepEqual([...committed.keys()].sort(), [...fresh.keys()].sort())
      for (const [file, text] of fresh) assert.equal(committed.get(file), text, `${file} is stale: npm run generate`)
    } finally {
      await rm(copy, { recursive: true })
    }
  })
})
