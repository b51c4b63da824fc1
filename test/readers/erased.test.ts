/** A lake of which rows were erased is read by delta-rs as before, but for them, and knows no version from before. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { missingHere, testNeeding } from '../../devstack/lake/needs.ts'
import { testStack } from '../../devstack/testing.ts'
import { eraseAll, personSchema, writing } from '../../engine/erase/testing.ts'
import { testLake } from '../../engine/lake/testing.ts'
import { startDeltaRs } from './delta-rs.ts'

const withDeltaRs = testNeeding(await missingHere('python'))

withDeltaRs('a lake of which rows were erased is read as before, but for them, from the cut on', async () => {
  const { objectStore } = await testStack('objectStore')
  await using reader = await startDeltaRs(objectStore)
  const lake = await testLake(personSchema, () => {})
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a', { checkpointVersions: 3 })
    const put = (id: string, title: string) =>
      ({ op: 'put', row: table.schemas.codec.row({ id, title }, 'row') }) as const
    for (const n of [1, 2, 3, 4]) {
      const changes = [put('person', `secret ${n}`), put(`other ${n}`, 'kept'), put('changed', String(n))]
      await archiver.reached((await table.writer.write(changes, writing())).revision)
    }
    const place = { bucket: lake.bucket, path: 'lake' }
    const read = () => reader.query(place, 'SELECT id, title, _revision FROM t ORDER BY id')
    const before = await read()
    await table.writer.erase('e1', [{ id: 'person' }], writing())
    await eraseAll(table, join(lake.folder, 'scratch'))
    assert.deepEqual(
      await read(),
      before.filter(({ id }) => id !== 'person'),
    )
    await assert.rejects(reader.rows(place, 1))
    const { revision } = await table.writer.write([put('person', 'is back')], writing())
    await archiver.reached(revision)
    const { version } = await reader.describe(place)
    const changes = await reader.changes(place, version, version)
    assert.deepEqual(
      changes.map(({ id, title, _change_type: type }) => [id, title, type]),
      [['person', 'is back', 'insert']],
    )
  } finally {
    await lake.close()
  }
})
