/** What a commit says of how far it leads, in revisions and in time. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Action, AddFile } from './delta/actions.ts'
import { committedTag, revisionMark, timeMark } from './versions.ts'

const lake = { log: { stream: 's', epoch: 2 } }
const tagged = (time: number) => ({ [committedTag]: String(time) })
const add = (tags?: AddFile['tags']): Action => ({
  add: { path: 'p', partitionValues: {}, size: 1, modificationTime: 1, dataChange: true, ...(tags && { tags }) },
})
const cdc = (tags: AddFile['tags'] = {}): Action => ({
  cdc: { path: 'c', partitionValues: {}, size: 1, dataChange: false, tags },
})
const txn = (epoch: number, version: number): Action => ({ txn: { appId: `blasty:s:${epoch}`, version } })

test('a commit leads to the revision of its own or an earlier epoch, and one of another writer to none', () => {
  assert.equal(revisionMark(lake)([txn(2, 7)]), 7)
  assert.equal(revisionMark(lake)([txn(1, 5)]), 5)
  assert.equal(revisionMark(lake)([txn(3, 9)]), undefined)
  assert.equal(revisionMark(lake)([add()]), undefined)
})

test('a commit leads to the time of its newest batch, whatever the files say that it only adds again', () => {
  const timeOf = timeMark(lake)
  assert.equal(timeOf([txn(2, 7), add(tagged(5)), add(tagged(6))]), 6)
  assert.equal(timeOf([txn(2, 7), cdc(tagged(5)), add(tagged(9)), add()]), 5)
  // Compaction, and control records alone, lead no further.
  assert.equal(timeOf([add(tagged(5))]), undefined)
  assert.equal(timeOf([txn(2, 7)]), undefined)
})

test('a commit with rows of which nobody noted the time is not taken for an old one', () => {
  assert.equal(timeMark(lake)([txn(2, 7), add()]), 'unknown')
  assert.equal(timeMark(lake)([txn(2, 7), cdc(), add(tagged(5))]), 'unknown')
})
