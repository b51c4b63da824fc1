/** What a window of a keyed Table tells of its changes. */

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { type Change, type ChangeBatch, StoredRow } from '../replica/change.ts'
import { temporaryFolder } from '../testing.ts'
import { KeyedWindow } from './keyed-window.ts'

const row = (revision: number, id: string) => new StoredRow(revision, revision * 10, Buffer.from(`{"id":"${id}"}`))
const batch = (revision: number, ...changes: Change[]): ChangeBatch => ({
  revision,
  commitTime: revision * 10,
  schema: 1,
  changes,
  bytes: 0,
})
const change = (id: string, old: number | undefined, next: number | undefined): Change => ({
  key: Buffer.from(id),
  old: old === undefined ? undefined : row(old, id),
  new: next === undefined ? undefined : row(next, id),
})

/** The change file of a window with these batches: type, key, revision of the change, end and time of its batch. */
async function told(...batches: ChangeBatch[]): Promise<unknown> {
  const { path, remove } = await temporaryFolder()
  try {
    const window = await KeyedWindow.open(path)
    for (const one of batches) await window.add(one)
    const { changes } = await window.close()
    if (changes === undefined) return undefined
    const lines = (await readFile(changes, 'utf8')).trimEnd().split('\n')
    return lines
      .map(line => JSON.parse(line) as Record<string, unknown>)
      .map(line => [line._change_type, line.id, line._blasty_revision, line._blasty_batch_end, line._blasty_batch_time])
  } finally {
    await remove()
  }
}

test('a window of nothing but inserts has no change file', async () => {
  assert.equal(await told(batch(2, change('a', undefined, 1), change('b', undefined, 2))), undefined)
  assert.equal(await told(batch(1)), undefined)
})

test('the first change that is no insert is told behind all inserts before it, each with its own batch', async () => {
  assert.deepEqual(
    await told(
      batch(2, change('b', undefined, 1), change('a', undefined, 2)),
      batch(4, change('c', undefined, 3), change('d', 0, undefined)),
      batch(6, change('b', 1, 5), change('e', undefined, 6)),
    ),
    [
      ['insert', 'b', 1, 2, 20],
      ['insert', 'a', 2, 2, 20],
      ['insert', 'c', 3, 4, 40],
      ['delete', 'd', 4, 4, 40],
      ['update_preimage', 'b', 5, 6, 60],
      ['update_postimage', 'b', 5, 6, 60],
      ['insert', 'e', 6, 6, 60],
    ],
  )
})

test('a row that comes and goes within a window is told as both', async () => {
  assert.deepEqual(await told(batch(1, change('a', undefined, 1)), batch(2, change('a', 1, undefined))), [
    ['insert', 'a', 1, 1, 10],
    ['delete', 'a', 2, 2, 20],
  ])
})
