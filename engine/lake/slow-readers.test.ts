/** Who reads for longer than the history of a Table lasts is not overtaken by its clean-up: copies of old versions, and changes. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import type { RowChange } from '../log/writer.ts'
import type { Table } from '../table.ts'
import { filmSchema, patience } from '../testing.ts'
import { listLog } from './delta/lake.ts'
import { lowestLease } from './delta/leases.ts'
import { readState } from './delta/state.ts'
import { archivedChanges } from './history.ts'
import { openSnapshot } from './snapshot.ts'
import { type TestArchiver, type TestLake, testLake } from './testing.ts'

const options = () => ({ principal: 'p', schema: 1, signal: patience() })
const put = (id: string, year: number): RowChange => ({ op: 'put', row: { id, year } })
/** A second of history, and what is past it is removed at once, however young. */
const hasty = { historySeconds: 1, cleanMillis: 1, checkpointVersions: 1, leastAgeMillis: -60_000 }

type Scene = { readonly lake: TestLake; readonly table: Table; readonly archiver: TestArchiver }

async function scene(run: (scene: Scene) => Promise<void>): Promise<void> {
  const lake = await testLake(filmSchema)
  try {
    const table = lake.open('a')
    await run({ lake, table, archiver: lake.archiver(table, 'lake-a', hasty) })
  } finally {
    await lake.close()
  }
}

/** Replaces all rows in a version of its own, with a clean-up behind it. */
async function replace({ table, archiver }: Scene, year: number): Promise<number> {
  const { revision } = await table.writer.write(
    ['a', 'b', 'c'].map(id => put(id, year)),
    options(),
  )
  await archiver.reached(revision)
  return revision
}

/** Writes until what came long before is past the history, and clean-ups have had their turns. */
async function outlive(on: Scene, from: number): Promise<void> {
  const begin = Date.now()
  for (let year = from; Date.now() < begin + 3_000; year++) await replace(on, year)
}

/** Writes until a version is no longer kept. */
async function untilGone(on: Scene, version: number): Promise<void> {
  const signal = patience()
  for (let year = 5000; ; year++) {
    signal.throwIfAborted()
    await replace(on, year)
    const error = await readState(on.table.lake, version).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    if (isBlastyError(error, 'LAKE_VERSION_EXPIRED')) return
    if (error !== undefined) throw error
  }
}

test('a copy that takes longer than the history lasts is whole, and then its version goes', async () => {
  await scene(async on => {
    const { lake, table, archiver } = on
    await archiver.reached((await table.writer.write([put('a', 1)], options())).revision)
    await archiver.reached((await table.writer.write([put('b', 1), put('c', 1)], options())).revision)
    const snapshot = await openSnapshot(table, join(lake.folder, 'copy'))
    assert.ok(snapshot)
    const years: unknown[] = []
    try {
      for await (const source of snapshot.files()) {
        for await (const rows of snapshot.parquet.read(table.schemas.current, source))
          for (const { body } of rows) years.push(table.schemas.codec.decode(Buffer.from(body)).year)
        await outlive(on, 1000 + years.length)
      }
    } finally {
      await snapshot.close()
    }
    assert.deepEqual(years, [1, 1, 1])
    assert.ok(((await listLog(table.lake)).commits[0] ?? 0) <= snapshot.version)
    assert.equal(await lowestLease(table.lake), undefined)
    await untilGone(on, snapshot.version)
    assert.deepEqual(archiver.failures, [])
  })
})

test('changes that are read for longer than the history lasts are told to the last', async () => {
  await scene(async on => {
    const { lake, table } = on
    const ends = [await replace(on, 1), await replace(on, 2), await replace(on, 3)]
    const told: number[] = []
    for await (const { revision, changes } of archivedChanges(table, 0, join(lake.folder, 'changes'))) {
      if (changes.length === 0) continue
      told.push(revision)
      await outlive(on, 1000 * told.length)
    }
    assert.deepEqual(told, ends)
    assert.equal(await lowestLease(table.lake), undefined)
    await untilGone(on, 1)
    const again = Array.fromAsync(archivedChanges(table, 0, join(lake.folder, 'again')))
    await assert.rejects(again, error => isBlastyError(error, 'CURSOR_EXPIRED'))
  })
})
