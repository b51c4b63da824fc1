/** The daily collection of a Table's blobs, on real servers and in a bucket where everything is two days old. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storeBlob } from '../engine/blobs/blobs.ts'
import { type BlobRef, blobGraceMillis, newestOf } from '../engine/blobs/content.ts'
import { chunksOf, clockedObjects } from '../engine/blobs/testing.ts'
import { testLake } from '../engine/lake/testing.ts'
import type { TableSchema } from '../engine/schema/schema.ts'
import type { Table } from '../engine/table.ts'
import { patience } from '../engine/testing.ts'
import { keepCollecting } from './blob-job.ts'

const schema: TableSchema = {
  number: 1,
  columns: [
    { name: 'id', type: 'String', required: true, field: 1 },
    { name: 'poster', type: 'Blob', required: false, field: 2 },
  ],
  retired: [],
  primaryKey: ['id'],
}

const upload = (table: Table, text: string): Promise<BlobRef> =>
  storeBlob(table.blobs, chunksOf(Buffer.from(text)), { type: 'text/plain' })

async function put(table: Table, id: string, poster: BlobRef | null): Promise<void> {
  const row = table.schemas.codec.row({ id, poster }, 'row')
  await table.writer.write([{ op: 'put', row }], { principal: 'p', schema: 1, signal: patience() })
}

/** Collects until it has been told `rounds` times what came of it. */
async function collect(table: Table, scratch: string, rounds: number): Promise<number> {
  const stop = new AbortController()
  let collected = 0
  let left = rounds
  const log = {
    info: ({ blobs }: { blobs?: number }) => {
      collected += blobs ?? 0
      if (--left === 0) stop.abort()
    },
  }
  const options = { scratch, signal: AbortSignal.any([stop.signal, patience()]), log, watchMillis: 5, restMillis: 5 }
  await assert.rejects(keepCollecting({ table }, options), { name: 'AbortError' })
  return collected
}

test('what no row names is collected, by several at once, and what one names or named stays', async () => {
  const lake = await testLake(schema)
  try {
    const old = clockedObjects(lake.objects, () => Date.now() - 2 * blobGraceMillis)
    const table = lake.open('a', old)
    assert.equal(await collect(table, `${lake.folder}/none`, 1), 0)
    const [named, before, never] = [await upload(table, '1'), await upload(table, '2'), await upload(table, '3')]
    await put(table, 'a', before)
    await put(table, 'a', named)
    const archiver = lake.archiver(table, 'lake')
    await put(table, 'b', null)
    await archiver.reached(3)
    const collectors = ['x', 'y'].map(name => collect(table, `${lake.folder}/${name}`, 2))
    assert.ok((await Promise.all(collectors)).reduce((sum, count) => sum + count, 0) >= 1)
    const left = await Promise.all([named, before, never].map(blob => newestOf(table.blobs, blob)))
    assert.deepEqual(
      left.map(stored => stored !== undefined),
      [true, true, false],
    )
  } finally {
    await lake.close()
  }
})
