/** What is damaged below the lake: a lost drive is made good by the store, changed bytes are never taken for rows. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { objectStore } from '../../backends/object-store/store.ts'
import { isBlastyError } from '../../base/errors.ts'
import { withParts } from '../../devstack/info.ts'
import { startStack } from '../../devstack/stack.ts'
import { purgeLog } from '../log/retention.ts'
import { eventSchema, filmSchema, patience, temporaryFolder } from '../testing.ts'
import { commit } from './delta/commit.ts'
import { creationActions } from './delta/protocol.ts'
import { readState } from './delta/state.ts'
import { downloadFile, uploadFile } from './objects.ts'
import { testLake } from './testing.ts'

const corrupt = (error: unknown): boolean => isBlastyError(error, 'LAKE_CORRUPT')

test('a flipped bit in a data file is an error of whoever reads it, never a row', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    const row = table.schemas.codec.row({ id: 'a', title: 'one' }, 'row')
    const { revision } = await table.writer.write([{ op: 'put', row }], {
      principal: 'p',
      schema: 1,
      signal: patience(),
    })
    await archiver.reached(revision)
    await archiver.stop()
    const state = await readState(table.lake)
    const [file] = [...(state?.files.values() ?? [])]
    assert.ok(file)
    const bytes = await buffer(await lake.objects.download(lake.bucket, `lake/${file.path}`))
    const middle = bytes.length >> 1
    bytes[middle] = (bytes[middle] ?? 0) ^ 1
    await lake.objects.put(lake.bucket, `lake/${file.path}`, bytes)
    await purgeLog(lake.on.log, revision, { retentionSeconds: 0, now: Date.now() + 60_000 })
    await assert.rejects(lake.open('fresh').replica(), corrupt)
    await lake.objects.remove(lake.bucket, [`lake/${file.path}`])
    await assert.rejects(lake.open('other').replica(), corrupt)
  } finally {
    await lake.close()
  }
})

test('with one of four drives lost, files of the lake are read and commits are taken', async () => {
  await using stack = await startStack({ objectStore: true })
  const info = withParts(stack.info, 'objectStore')
  const objects = objectStore({ ...info.objectStore, pathStyle: true })
  const { path: folder, remove } = await temporaryFolder()
  try {
    const bucket = `test-${randomUUID()}`
    await objects.makeBucket(bucket)
    const lake = { objects, bucket, root: 'lake' }
    const options = (timestamp: number) => ({ commitId: randomUUID(), timestamp })
    await commit(lake, 0, creationActions(eventSchema, { id: randomUUID(), createdTime: 1 }), options(1))
    const content = Buffer.alloc(3_000_000, 'some of it ')
    await writeFile(join(folder, 'in'), content)
    const tags = await uploadFile(lake, 'part-a.parquet', join(folder, 'in'))

    await rm(join(info.folder, 'object-store', 'drive2'), { recursive: true })

    const file = await downloadFile(lake, { path: 'part-a.parquet', size: content.length, tags }, folder)
    assert.ok((await readFile(file)).equals(content))
    const txn = { appId: 'a', version: 7 }
    assert.deepEqual(await commit(lake, 1, [{ txn }], options(2)), { kind: 'committed' })
    assert.equal((await readState(lake))?.txns.get('a')?.version, 7)
  } finally {
    await remove()
  }
})
