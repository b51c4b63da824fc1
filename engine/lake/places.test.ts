/** The cache of places: what was noted half never counts, and what has moved does not count any more. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryFolder } from '../testing.ts'
import { Places } from './places.ts'

const identity = { tableUid: 'uid', epoch: 1 }
const key = (number: number) => Buffer.from(`key ${String(number).padStart(8, '0')}`)
/** More than are written at once. */
const many = 10_001

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const { path, remove } = await temporaryFolder()
  try {
    await work(path)
  } finally {
    await remove()
  }
}

function noteAll(places: Places, file: string, keys: readonly number[], finish = true): void {
  const noted = places.note(file)
  for (const [position, number] of keys.entries()) noted.add(key(number), position)
  if (finish) noted.finish()
}

const live = (...files: string[]) => new Map(files.map(file => [file, undefined]))

test('what is noted is found, also by who opens the cache again', () =>
  withFolder(async folder => {
    for (const reopened of [false, true]) {
      const places = new Places(folder, identity)
      assert.equal(places.knows('a'), reopened)
      if (!reopened) noteAll(places, 'a', [1, 2])
      assert.deepEqual(places.find(key(2)), { file: 'a', position: 1 })
      assert.equal(places.find(key(3)), undefined)
      await places.close()
    }
  }))

test('a file that was noted half does not count, neither as itself nor as the next one', () =>
  withFolder(async folder => {
    let places = new Places(folder, identity)
    const keys = Array.from({ length: many }, (_, number) => number)
    noteAll(places, 'half', keys, false)
    assert.equal(places.knows('half'), false)
    assert.equal(places.find(key(1)), undefined)
    await places.close()
    places = new Places(folder, identity)
    assert.equal(places.knows('half'), false)
    // Its number would be the half one's, if numbers were counted by the files that are known.
    noteAll(places, 'other', [77_777_777])
    assert.equal(places.find(key(1)), undefined)
    noteAll(places, 'half', keys)
    assert.deepEqual(places.find(key(1)), { file: 'half', position: 1 })
    assert.deepEqual(places.find(key(many - 1)), { file: 'half', position: many - 1 })
    await places.close()
  }))

test('the last place noted for a key counts, and none in a file that is gone', () =>
  withFolder(async folder => {
    const places = new Places(folder, identity)
    noteAll(places, 'a', [1, 2])
    noteAll(places, 'b', [2])
    assert.deepEqual(places.find(key(2)), { file: 'b', position: 0 })
    places.keepOnly(live('a'))
    assert.equal(places.knows('b'), false)
    assert.equal(places.find(key(2)), undefined)
    assert.deepEqual(places.find(key(1)), { file: 'a', position: 0 })
    places.keepOnly(live())
    noteAll(places, 'c', [3])
    for (const number of [1, 2]) assert.equal(places.find(key(number)), undefined)
    await places.close()
    const again = new Places(folder, identity)
    assert.deepEqual(
      ['a', 'b', 'c'].map(file => again.knows(file)),
      [false, false, true],
    )
    assert.equal(again.find(key(1)), undefined)
    await again.close()
  }))

test('the cache of another Table or epoch counts as empty', () =>
  withFolder(async folder => {
    const places = new Places(folder, identity)
    noteAll(places, 'a', [1])
    await places.close()
    for (const other of [
      { tableUid: 'uid', epoch: 2 },
      { tableUid: 'another', epoch: 2 },
    ]) {
      const empty = new Places(folder, other)
      assert.equal(empty.knows('a'), false)
      assert.equal(empty.find(key(1)), undefined)
      noteAll(empty, 'a', [1])
      await empty.close()
    }
  }))
