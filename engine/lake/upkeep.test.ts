/** Removal of what is past a lake's history, by archivers that do not live long. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { filmSchema, patience } from '../testing.ts'
import { readState } from './delta/state.ts'
import { testLake } from './testing.ts'
import { Upkeep } from './upkeep.ts'

test('a lake is cleaned in time though no archiver lives as long as it takes, and not by each of them', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    const written = await table.writer.write([{ op: 'put', row: { id: 'a' } }], {
      principal: 'p',
      schema: 1,
      signal: patience(),
    })
    await archiver.reached(written.revision)
    await archiver.stop()
    const state = await readState(table.lake)
    assert.ok(state)
    /** Whether an archiver that lives for one commit cleans: it notes when it did. */
    const cleans = async (cleanMillis: number) => {
      const noted = async () => {
        for await (const { key, modified } of lake.objects.list(lake.bucket, 'lake/_blasty/cleaned'))
          if (key === 'lake/_blasty/cleaned') return modified
        return undefined
      }
      const before = await noted()
      await sleep(5) // The store tells milliseconds.
      const options = {
        lake: table.lake,
        historySeconds: 0,
        scratch: join(lake.folder, 's'),
        now: Date.now,
        cleanMillis,
      }
      await new Upkeep(options).after(state)
      return before !== undefined && (await noted()) !== before
    }
    const hour = 3_600_000
    assert.equal(await cleans(hour), false)
    assert.equal(await cleans(hour), false)
    await sleep(50)
    assert.equal(await cleans(40), true, 'the time that other archivers lived counts')
    assert.equal(await cleans(hour), false)
  } finally {
    await lake.close()
  }
})
