/** Two works have the database at once, a third waits for one of them, and it is closed when nobody is at it. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryFolder } from '../testing.ts'
import type { ParquetFiles } from './parquet.ts'
import { SharedParquet } from './shared-parquet.ts'

test('two work at once, more wait, a failure holds nobody up, and closing comes behind what was asked before', async () => {
  const { path, remove } = await temporaryFolder()
  const shared = new SharedParquet(path, '256MB')
  const seen: string[] = []
  const ends = [1, 2, 3, 4].map(() => Promise.withResolvers<void>())
  const begun = [1, 2, 3, 4].map(() => Promise.withResolvers<ParquetFiles>())
  const works = ends.map(({ promise }, index) =>
    shared.use(async files => {
      seen.push(`begin ${index}`)
      begun[index]?.resolve(files)
      await promise
    }),
  )
  try {
    const [first, second] = await Promise.all([begun[0]?.promise, begun[1]?.promise])
    assert.notEqual(first, second)
    assert.deepEqual([...seen].sort(), ['begin 0', 'begin 1'])
    ends[1]?.reject(new Error('the disk is full'))
    await assert.rejects(works[1] ?? Promise.resolve(), /the disk is full/)
    assert.equal(await begun[3]?.promise, second)
    const closed = shared.close().then(() => seen.push('closed'))
    const later = shared.use(async files => {
      seen.push('later')
      return files
    })
    for (const { resolve } of ends) resolve()
    assert.ok(![first, second].includes(await later))
    await closed
    assert.deepEqual(seen.slice(-2), ['closed', 'later'])
    assert.equal(seen.length, 6)
  } finally {
    await shared.close()
    await remove()
  }
})
