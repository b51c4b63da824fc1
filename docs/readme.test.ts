/** The README's commands are those that exist, and the one for tests is the one that a change is checked with. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const readme = read('../README.md')

test('the first screen names the two commands', () => {
  const screen = readme.split('\n').slice(0, 25).join('\n')
  for (const command of ['npm ci && npm run demo', 'npm ci && npm test']) assert.ok(screen.includes(command), command)
})

test('a change is checked by the test command of the README', () => {
  const commands = read('../.ci/run').trim().split('\n')
  assert.equal(commands.at(-1), 'npm test')
  assert.ok(commands.includes('npm ci'))
})

test('every script that the README names exists', () => {
  const { scripts } = JSON.parse(read('../package.json')) as { scripts: Record<string, string> }
  const named = [...readme.matchAll(/npm run ([a-z]+)/g)].map(([, name = '']) => name)
  assert.ok(named.length > 0)
  for (const name of named) assert.ok(scripts[name] !== undefined, `npm run ${name}`)
})
