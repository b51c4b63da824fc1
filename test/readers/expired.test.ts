/** Rows of an append-only Table that are too old are gone for delta-rs and Trino at the very versions at which they are for us. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after } from 'node:test'
import { missingHere, testNeeding } from '../../devstack/lake/needs.ts'
import { expireAt, whenDue } from '../../engine/expiry/testing.ts'
import { readState } from '../../engine/lake/delta/state.ts'
import { openSnapshot } from '../../engine/lake/snapshot.ts'
import { type TestLake, testLake } from '../../engine/lake/testing.ts'
import type { Table } from '../../engine/table.ts'
import { eventSchema, patience } from '../../engine/testing.ts'
import { canonicalRows } from './form.ts'
import { readersScene } from './scene.ts'

const withReaders = testNeeding(await missingHere('python', 'trino'))

const running = new AsyncDisposableStack()
after(() => running.disposeAsync())

async function oursAt(lake: TestLake, table: Table, version: number): Promise<string[]> {
  const snapshot = await openSnapshot(table, join(lake.folder, `ours-${randomUUID()}`), version)
  assert.ok(snapshot)
  const texts: string[] = []
  for await (const file of snapshot.files()) {
    for await (const rows of snapshot.parquet.read(eventSchema, file))
      texts.push(...rows.map(({ body }) => String(table.schemas.codec.decode(Buffer.from(body)).text)))
  }
  await snapshot.close()
  return texts.sort()
}

withReaders(
  'rows that are too old are gone for both, version by version, within files and whole files of them',
  async () => {
    const scene = running.use(await readersScene())
    const lake = await testLake(eventSchema)
    running.defer(lake.close)
    const table = lake.open('table')
    const archiver = lake.archiver(table, 'archiver')
    const replica = await table.replica()
    const append = async (...texts: string[]) => {
      const rows = texts.map(text => table.schemas.codec.row({ text }, 'row'))
      const { revision } = await table.writer.append(rows, { principal: 'p', schema: 1, signal: patience() })
      return revision
    }
    const timeOf = async (revision: number) => {
      for await (const one of replica.source.changes(revision - 1, patience(), revision)) return one.commitTime
      throw new Error(`nothing at ${revision}`)
    }
    /** Takes out the rows up to a batch, and waits until the lake says so. */
    const expire = async (revision: number) => {
      await expireAt(table, lake.folder, whenDue(await timeOf(revision)))
      const { state } = await table.log.streams.admin.streams.info(table.log.stream)
      await archiver.reached(state.last_seq)
    }
    await archiver.reached(await append('a', 'Ä💡'))
    const second = await append('b')
    await archiver.reached(await append('c'))
    await expire(second)
    for (const text of ['d', 'e', 'f', 'g', 'h']) await archiver.reached(await append(text))
    const late = await append('i')
    await archiver.reached(await append('j', 'k'))
    await expire(late)
    await archiver.stop()
    assert.deepEqual(await oursAt(lake, table, (await readState(table.lake))?.version ?? 0), ['j', 'k'])
    const place = { bucket: lake.bucket, path: 'lake' }
    const { version: newest } = await scene.deltaRs.describe(place)
    for (let version = 1; version <= newest; version++) {
      const ours = await oursAt(lake, table, version)
      for (const reader of scene.readers) {
        const seen = canonicalRows(eventSchema, await reader.rows(place, version)).map(({ text }) => String(text))
        assert.deepEqual(seen.sort(), ours, `${reader.name} at version ${version}`)
      }
    }
  },
)
