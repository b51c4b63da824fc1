/** Rows that clients write are read by delta-rs and Trino from the lake as the log holds them, and so is their history. */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { missingHere, testNeeding } from '../../devstack/lake/needs.ts'
import { type TestLake, testLake } from '../../engine/lake/testing.ts'
import type { RowChange } from '../../engine/log/writer.ts'
import type { Json, Row } from '../../engine/schema/schema.ts'
import { patience } from '../../engine/testing.ts'
import { everyRow, everyType } from './every-type.ts'
import { asSeenBy, canonicalRows, inOrder } from './form.ts'
import type { LakeReader } from './reader.ts'
import { readersScene } from './scene.ts'

const withReaders = testNeeding(await missingHere('python', 'trino'))

const running = new AsyncDisposableStack()
after(() => running.disposeAsync())

const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value)
/** Rows as a client may send them: an item of an array is never null. */
const rows: readonly Row[] = everyRow.map(row => ({
  ...row,
  ...Object.fromEntries(
    everyType.columns.flatMap(({ name, type }) => {
      const value = row[name]
      return type === 'Array' && isList(value) ? [[name, value.filter(item => item !== null)]] : []
    }),
  ),
}))
const rowOf = (id: number): Row => {
  const row = rows[id - 1]
  assert.ok(row !== undefined)
  return row
}

withReaders('what is written to a Table is what both read in its lake, with every change on the way', async () => {
  const scene = running.use(await readersScene())
  const lake: TestLake = await testLake(everyType)
  running.defer(lake.close)
  const table = lake.open('table')
  const archiver = lake.archiver(table, 'archiver')
  const write = async (...changes: RowChange[]): Promise<void> => {
    const { revision } = await table.writer.write(changes, { principal: 'p', schema: 1, signal: patience() })
    await archiver.reached(revision)
  }
  const put = (row: Row): RowChange => ({ op: 'put', row: table.schemas.codec.row(row, 'row') })

  await write(...rows.map(put))
  const changed: Row = { ...rowOf(3), id: '2' }
  await write(put(changed), { op: 'delete', row: { id: '4' } })
  // A row that is inserted and changed before the archiver looks: a change file, and nothing in the lake that ends.
  const [again, twice]: readonly [Row, Row] = [
    { ...rowOf(1), id: '99' },
    { ...rowOf(3), id: '99' },
  ]
  await archiver.stop()
  await table.writer.write([put(again)], { principal: 'p', schema: 1, signal: patience() })
  const { revision: last } = await table.writer.write([put(twice)], { principal: 'p', schema: 1, signal: patience() })
  await lake.archiver(table, 'archiver').reached(last)
  const ours = [...rows.filter(({ id }) => id !== '2' && id !== '4'), changed, twice]
  const place = { bucket: lake.bucket, path: 'lake' }
  const { version } = await scene.deltaRs.describe(place)
  const assertSame = (reader: LakeReader, seen: readonly Row[], expected: readonly Row[]): void =>
    assert.deepEqual(inOrder(seen, 'id'), inOrder(asSeenBy(reader, everyType, expected), 'id'), reader.name)
  for (const reader of scene.readers) {
    assertSame(reader, canonicalRows(everyType, await reader.rows(place)), ours)
    const history = await reader.changes(place, 0, version)
    const images = (kind: string): Row[] =>
      canonicalRows(
        everyType,
        history.filter(row => row._change_type === kind),
      )
    assertSame(reader, images('insert'), [...rows, again])
    assertSame(reader, images('update_preimage'), [rowOf(2), again])
    assertSame(reader, images('update_postimage'), [changed, twice])
    assertSame(reader, images('delete'), [rowOf(4)])
  }
})
