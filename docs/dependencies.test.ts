/** Holds `package.json` and `docs/dependencies.md` together. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

type Packages = Readonly<Record<string, string>>
type Manifest = {
  readonly dependencies: Packages
  readonly devDependencies: Packages
  readonly optionalDependencies: Packages
}
const manifest = JSON.parse(read('../package.json')) as Manifest

/** The packages that a section lists, each with a reason. */
function listed(title: string): string[] {
  const [, section = ''] = read('dependencies.md').split(`\n## ${title}\n`)
  const [table = ''] = section.split('\n## ')
  return [...table.matchAll(/^\| `([^`]+)` +\| \S.{10,}\|$/gm)].map(([, name = '']) => name)
}

const sections = [
  ['At run time', manifest.dependencies],
  ['For development', manifest.devDependencies],
  ['Optional', manifest.optionalDependencies],
] as const

for (const [title, packages] of sections) {
  test(`"${title}" names a reason for each package of its kind, and no other`, () => {
    assert.deepEqual(listed(title), Object.keys(packages).sort())
  })
}

test('versions are exact', () => {
  for (const [, packages] of sections) {
    for (const [name, version] of Object.entries(packages)) assert.match(version, /^\d+\.\d+\.\d+(-[\w.]+)?$/, name)
  }
})
