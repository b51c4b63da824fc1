/** Files that another engine put in place of ours: without our tags and extra columns, with other statistics or none. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import type { RowChange } from '../log/writer.ts'
import type { Row } from '../schema/schema.ts'
import type { Table } from '../table.ts'
import { eventSchema, filmSchema, patience } from '../testing.ts'
import type { Action } from './delta/actions.ts'
import { commit } from './delta/commit.ts'
import { type LakeState, readState } from './delta/state.ts'
import { liveRowsOf, removeFile, rowsOf } from './files.ts'
import { archivedChanges } from './history.ts'
import { downloadFile, uploadFile } from './objects.ts'
import { type TestLake, testLake } from './testing.ts'

const options = () => ({ principal: 'p', schema: 1, signal: patience() })
const put = (id: string, year: number): RowChange => ({ op: 'put', row: { id, year } })

async function stateOf(table: Table): Promise<LakeState> {
  const state = await readState(table.lake)
  assert.ok(state)
  return state
}

/** Puts all files into one, as engines do that optimise a table: the columns of the lake's schema alone, no order, no tags. */
async function optimise(lake: TestLake, table: Table, stats: string | undefined): Promise<string> {
  const state = await stateOf(table)
  const locals: string[] = []
  for (const file of state.files.values()) locals.push(await downloadFile(table.lake, file, lake.folder))
  const to = join(lake.folder, `foreign-${randomUUID()}.parquet`)
  const path = `part-00000-${randomUUID()}-c000.zstd.parquet`
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  const columns = [...table.schemas.current.columns.map(({ name }) => `"${name}"`), '_revision', '_commit_time']
  await connection.run(`COPY (SELECT ${columns.join(', ')} FROM read_parquet([${locals.map(file => `'${file}'`).join()}])
    ORDER BY _revision DESC) TO '${to}' (FORMAT parquet)`)
  connection.closeSync()
  instance.closeSync()
  await uploadFile(table.lake, path, to)
  const add = { path, partitionValues: {}, size: (await stat(to)).size, modificationTime: 1, dataChange: false }
  const actions: Action[] = [
    ...[...state.files.values()].map(file => ({ remove: removeFile(file, 1, false) })),
    { add: stats === undefined ? add : { ...add, stats } },
  ]
  const commitOptions = { commitId: randomUUID(), timestamp: state.timestamp + 1, operation: 'OPTIMIZE' }
  assert.equal((await commit(table.lake, state.version + 1, actions, commitOptions)).kind, 'committed')
  return path
}

const shown = (rows: readonly Row[]) => rows.map(({ id, year }) => [id, year])

for (const stats of [undefined, '{}', '{"numRecords":4}']) {
  test(`rows go on in the lake when another engine rewrote its files, with statistics ${stats}`, async () => {
    const lake = await testLake(filmSchema)
    try {
      const table = lake.open('a')
      const archiver = lake.archiver(table, 'lake-a')
      await archiver.reached((await table.writer.write([put('a', 1), put('b', 1)], options())).revision)
      await archiver.reached((await table.writer.write([put('c', 1), put('d', 1)], options())).revision)
      const foreign = await optimise(lake, table, stats)
      // While the archiver runs, and has not heard of it.
      const changes: RowChange[] = [put('b', 2), { op: 'delete', row: { id: 'c' } }, put('e', 1)]
      await archiver.reached((await table.writer.write(changes, options())).revision)
      const { revision } = await table.writer.write([put('a', 3), { op: 'delete', row: { id: 'e' } }], options())
      const progress = await archiver.reached(revision)
      assert.ok(Number.isFinite(progress.rows))
      const rows = (await lake.rows(table)).rows
      assert.deepEqual(shown(rows), [
        ['a', 3],
        ['b', 2],
        ['d', 1],
      ])
      // Sooner or later it is ours: then all is known of it.
      const over = patience()
      while ((await stateOf(table)).files.has(foreign)) over.throwIfAborted()
      const files = [...(await stateOf(table)).files.values()]
      assert.ok(files.every(file => Number.isFinite(rowsOf(file))))
      assert.equal(
        files.reduce((sum, file) => sum + liveRowsOf(file), 0),
        3,
      )
      assert.deepEqual(archiver.failures, [])
    } finally {
      await lake.close()
    }
  })
}

test('appended rows that another engine put together are told record by record', async () => {
  const lake = await testLake(eventSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    for (const n of ['1', '2'])
      await archiver.reached((await table.writer.append([{ n }, { n, text: 'x' }], options())).revision)
    await archiver.stop()
    await optimise(lake, table, undefined)
    const told = async (after: number) => {
      const found: unknown[] = []
      for await (const { revision, changes } of archivedChanges(table, after, join(lake.folder, 'scratch')))
        if (changes.length > 0) found.push([revision, changes.map(change => change.new?.row(table.schemas.codec).n)])
      return found
    }
    // Its rows lie in an order that is not the log's, and are told in that.
    const before = [
      [1, ['1', '1']],
      [2, ['2', '2']],
    ]
    assert.deepEqual(await told(0), before)
    const successor = lake.archiver(lake.open('b'), 'lake-b')
    const { revision } = await table.writer.append([{ n: '3' }], options())
    const { version } = await successor.reached(revision)
    const over = patience()
    while ((await stateOf(table)).version === version) over.throwIfAborted()
    assert.deepEqual(await told(0), [...before, [3, ['3']]])
    assert.deepEqual(
      (await lake.rows(table)).rows.map(({ n }) => n),
      ['1', '1', '2', '2', '3'],
    )
    assert.deepEqual(successor.failures, [])
  } finally {
    await lake.close()
  }
})
