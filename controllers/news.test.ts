import assert from 'node:assert/strict'
import { test } from 'node:test'
import { indexes, subscriptions, tables } from '../directory/kinds.ts'
import { Caches } from '../operator/caches.ts'
import { FakeClock } from '../operator/testing/fake-clock.ts'
import { News } from './news.ts'
import { foldMillis } from './progress.ts'

/** News for one Table whose status shows `revision`, with the keys it wants looked at. */
function newsOf(revision: string) {
  const caches = new Caches((_, error) => {
    throw error
  })
  caches.open(indexes).replace([], '1')
  caches.open(subscriptions).replace([], '1')
  const table = {
    metadata: { namespace: 'n', name: 't', uid: 'u', resourceVersion: '1' },
    spec: {},
    status: { schema: { number: 1 }, progress: { revision } },
  }
  caches.open(tables).replace([tables.decode(table)], '1')
  const looks: string[] = []
  const clock = new FakeClock()
  const news = new News({ read: caches.read, enqueue: (_, key) => looks.push(key) }, clock)
  const report = (seen: number, present = true) =>
    news.take({ kind: 'table', tableUid: 'u', revision: seen, bytes: 0, full: false }, present)
  return { report, looks, clock }
}

test('a report that says no more than the status leads to no look', async () => {
  const { report, looks, clock } = newsOf('1')
  report(1)
  await clock.advance(foldMillis)
  assert.deepEqual(looks, [])
})

test('the first row and the end of a report are looked at at once, more rows in their time', async () => {
  const { report, looks, clock } = newsOf('1')
  report(1)
  report(2)
  assert.equal(looks.length, 1)
  report(3)
  report(4)
  assert.equal(looks.length, 1)
  await clock.advance(foldMillis)
  assert.equal(looks.length, 2)
  report(4, false)
  assert.equal(looks.length, 3)
})

test('a log that is shorter than the status says is looked at at once', () => {
  const { report, looks } = newsOf('900')
  report(1)
  assert.deepEqual(looks, ['n/t'])
})
