import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Believed } from './believed.ts'
import type { Report } from './reports.ts'

const table = (revision: number): Report => ({ kind: 'table', tableUid: 't', revision, bytes: 0, full: false })

function believed() {
  const told: string[] = []
  const tell = (report: Report, present: boolean) =>
    told.push(`${present ? '+' : '-'}${report.kind === 'table' ? report.revision : report.kind}`)
  const all = new Believed({ lifeMillis: 15, keepMillis: 100, tell })
  /** What was told since it was last asked. */
  const heardOf = () => told.splice(0)
  return { all, heardOf }
}

test('a report is believed once its process is heard of, whichever comes first, and told of once', () => {
  for (const order of ['report first', 'process first']) {
    const { all, heardOf } = believed()
    const [say, live] = [() => all.said('k', { by: 'a', report: table(1) }, 0), () => all.heard('a', 0)]
    if (order === 'report first') say()
    else live()
    assert.deepEqual([heardOf(), all.current()], [[], []])
    if (order === 'report first') live()
    else say()
    say()
    live()
    assert.deepEqual([heardOf(), all.current()], [['+1'], [table(1)]])
  }
})

test('a process that falls silent is believed no more, and believed again when it comes back', () => {
  const { all, heardOf } = believed()
  all.heard('a', 0)
  all.said('k', { by: 'a', report: table(1) }, 0)
  all.expire(15)
  assert.deepEqual(heardOf(), ['+1'])
  all.expire(16)
  assert.deepEqual([heardOf(), all.current()], [['-1'], []])
  all.heard('a', 20)
  assert.deepEqual(heardOf(), ['+1'])
  all.left('a')
  all.left('a')
  assert.deepEqual(heardOf(), ['-1'])
})

test('a report that passes to another process is told of when it says something else', () => {
  const { all, heardOf } = believed()
  all.heard('a', 0)
  all.heard('b', 0)
  all.said('k', { by: 'a', report: table(1) }, 0)
  all.said('k', { by: 'b', report: table(1) }, 0)
  all.left('a')
  assert.deepEqual(heardOf(), ['+1'])
  all.said('k', { by: 'b', report: table(2) }, 0)
  all.said('k', { by: 'dead', report: table(3) }, 0)
  assert.deepEqual(heardOf(), ['+2', '-2'])
})

test('what is not said again is forgotten when the server has forgotten it, of the living and of the dead', () => {
  const { all, heardOf } = believed()
  all.heard('a', 95)
  all.said('k', { by: 'a', report: table(1) }, 0)
  all.said('l', { by: 'dead', report: table(2) }, 0)
  all.expire(101)
  assert.deepEqual(heardOf(), ['+1', '-1'])
  all.heard('dead', 101)
  assert.deepEqual(heardOf(), [])
})
