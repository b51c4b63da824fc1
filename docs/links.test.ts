/** Relative links in the Markdown of the repository lead to files, and to headings, that exist. */

import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..')
const skipped = new Set(['node_modules', '.git', '.blasty'])
const files = globSync('**/*.md', { cwd: root, exclude: name => skipped.has(name) })

/** The text without code, in which brackets mean something else. */
const prose = (text: string): string => text.replace(/^ *```[\s\S]*?^ *```$/gm, '').replace(/`[^`\n]*`/g, 'code')

/** Targets of links and images, Markdown's and HTML's. */
function targets(text: string): string[] {
  const found = [...prose(text).matchAll(/\]\(([^()\s]+)\)|\b(?:href|src|srcset)="([^"]+)"/g)]
  return found.map(([, markdown, html]) => markdown ?? html ?? '')
}

/** Anchors of headings, as GitHub makes them. */
function anchors(text: string): Set<string> {
  const headings = text.replace(/^ *```[\s\S]*?^ *```$/gm, '').matchAll(/^#+ +(.+)$/gm)
  const slugs = [...headings].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
  return new Set(slugs)
}

for (const file of files) {
  test(`the links of ${file} lead somewhere`, () => {
    const text = readFileSync(join(root, file), 'utf8')
    for (const target of targets(text)) {
      if (/^[a-z]+:/.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const to = path === '' ? join(root, file) : resolve(root, dirname(file), path)
      assert.ok(existsSync(to), `${target} does not exist`)
      if (anchor === undefined) continue
      assert.ok(anchors(readFileSync(to, 'utf8')).has(anchor), `${target} is no heading there`)
    }
  })
}

test('every decision is numbered in sequence and linked from the list', () => {
  const names = globSync('docs/decisions/[0-9]*.md', { cwd: root }).map(name => name.split('/').at(-1) ?? '')
  const list = targets(readFileSync(join(root, 'docs/decisions/README.md'), 'utf8'))
  assert.deepEqual(list, names.sort())
  for (const [index, name] of names.entries()) assert.ok(name.startsWith(String(index + 1).padStart(4, '0')), name)
})
