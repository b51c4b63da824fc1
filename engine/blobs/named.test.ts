/** What a Table's rows name, in the log, in the lake and in its history, on real servers. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { testLake } from '../lake/testing.ts'
import { announceSchema } from '../log/control.ts'
import type { RowChange } from '../log/writer.ts'
import { writeSchema } from '../schema/documents.ts'
import type { TableSchema } from '../schema/schema.ts'
import { patience } from '../testing.ts'
import { namedBlobs } from './named.ts'
import { refOf } from './testing.ts'

const blob = { type: 'Blob', required: false } as const
const schema: TableSchema = {
  number: 1,
  columns: [
    { name: 'id', type: 'String', required: true, field: 1 },
    { ...blob, name: 'poster', field: 2 },
    { ...blob, name: 'trailer', field: 3 },
  ],
  retired: [],
  primaryKey: ['id'],
}
const ref = (text: string) => refOf(Buffer.from(text))
const hashes = (...texts: string[]) => texts.map(text => ref(text).sha256).sort()

async function opened() {
  const lake = await testLake(schema)
  const table = lake.open('a')
  const write = async (...changes: (readonly [id: string, poster?: string, trailer?: string])[]) => {
    const rows = changes.map(([id, poster, trailer]): RowChange => {
      if (poster === undefined) return { op: 'delete', row: { id } }
      const row = { id, poster: ref(poster), ...(trailer === undefined ? {} : { trailer: ref(trailer) }) }
      return { op: 'put', row: table.schemas.codec.row(row, 'row') }
    })
    const { revision } = await table.writer.write(rows, { principal: 'p', schema: 1, signal: patience() })
    return revision
  }
  const named = async (since: number, on = table, signal = patience()) => {
    const found = await Array.fromAsync(namedBlobs(on, { since, scratch: `${lake.folder}/scratch`, signal }))
    return [...new Set(found)].sort()
  }
  return { lake, table, write, named }
}

test('what rows name now, in each column, and named since, whether the lake holds it or not', async () => {
  const { lake, write, named, table } = await opened()
  try {
    assert.deepEqual(await named(0), [])
    const first = await write(['a', 'a1', 'a2'], ['b', 'b1'], ['c', 'c1'])
    const second = await write(['a', 'a3'], ['b'])
    // Nothing is archived: all of the log counts.
    assert.deepEqual(await named(second), hashes('a1', 'a2', 'a3', 'b1', 'c1'))
    const archiver = lake.archiver(table, 'lake')
    await archiver.reached(second)
    const third = await write(['c', 'c2'])
    await archiver.reached(third)
    // The lake keeps its history.
    assert.deepEqual(await named(third), hashes('a1', 'a2', 'a3', 'b1', 'c1', 'c2'))
    await archiver.stop()
    const last = await write(['d', 'd1'], ['c'])
    assert.deepEqual(await named(last), hashes('a1', 'a2', 'a3', 'b1', 'c1', 'c2', 'd1'))
    // Another process, with nothing in its cache.
    assert.deepEqual(await named(first, lake.open('b')), hashes('a1', 'a2', 'a3', 'b1', 'c1', 'c2', 'd1'))
  } finally {
    await lake.close()
  }
})

test('what only versions name that the lake has forgotten counts no more, but for those since', async () => {
  const { lake, write, named, table } = await opened()
  try {
    const day = 24 * 60 * 60 * 1000
    const archiver = lake.archiver(table, 'lake', { historySeconds: 0, cleanMillis: 0, now: () => Date.now() - day })
    await archiver.reached(await write(['a', 'a0'], ['b', 'b0']))
    let revision = 0
    // Each is a version; a checkpoint comes every twenty, and what lies before it may go.
    for (let i = 1; i <= 45; i++) {
      revision = await write(['a', `a${i}`])
      await archiver.reached(revision)
    }
    await archiver.stop()
    const cleaner = lake.archiver(table, 'lake', { historySeconds: 0, cleanMillis: 0 })
    revision = await write(['a', 'last'])
    await cleaner.reached(revision)
    await cleaner.stop()
    const found = await named(revision)
    assert.ok(found.includes(ref('b0').sha256), 'what a row has named since the beginning')
    assert.ok(found.includes(ref('last').sha256))
    assert.ok(!found.includes(ref('a1').sha256), 'what was forgotten')
    assert.ok((await named(0)).includes(ref('a1').sha256), 'unless it is asked for, while the ring or the log has it')
  } finally {
    await lake.close()
  }
})

test('a process that has not met the newest schema yet names what its columns name', async () => {
  const [id, ...rest] = schema.columns
  assert.ok(id)
  const lake = await testLake({ ...schema, columns: [id] })
  try {
    const table = lake.open('a')
    await writeSchema(lake.objects, lake.bucket, { ...schema, number: 2, columns: [id, ...rest] })
    await announceSchema(table.log, 2)
    await table.schemas.reach(2)
    const row = table.schemas.codec.row({ id: 'a', poster: ref('a1') }, 'row')
    await table.writer.write([{ op: 'put', row }], { principal: 'p', schema: 2, signal: patience() })
    const options = { since: 0, scratch: `${lake.folder}/scratch`, signal: patience() }
    assert.deepEqual([...new Set(await Array.fromAsync(namedBlobs(lake.open('b'), options)))], hashes('a1'))
  } finally {
    await lake.close()
  }
})

test('half of the names never pass for all: an abort, or a file that is gone, is an error', async () => {
  const { lake, write, named, table } = await opened()
  try {
    const archiver = lake.archiver(table, 'lake')
    const revision = await write(['a', 'a1'])
    await archiver.reached(revision)
    await archiver.reached(await write(['a', 'a2']))
    await archiver.stop()
    const reason = new Error('enough')
    await assert.rejects(named(0, table, AbortSignal.abort(reason)), reason)
    const found = namedBlobs(table, { since: 0, scratch: `${lake.folder}/s`, signal: patience() })
    await found.next()
    const changes = await Array.fromAsync(lake.objects.list(lake.bucket, 'lake/_change_data/'))
    await lake.objects.remove(
      lake.bucket,
      changes.map(({ key }) => key),
    )
    await assert.rejects(Array.fromAsync(found), error => isBlastyError(error, 'LAKE_CORRUPT'))
  } finally {
    await lake.close()
  }
})
