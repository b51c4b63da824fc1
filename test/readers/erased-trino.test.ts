/** What Trino has read, and may keep, of rows that are erased it tells no more: neither of today nor of a version before, nor as a change. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { trinoErrorName } from '../../backends/trino/errors.ts'
import type { TrinoInfo } from '../../devstack/info.ts'
import { missingHere, testNeeding } from '../../devstack/lake/needs.ts'
import { cachingCatalog, trinoCache } from '../../devstack/servers/trino.ts'
import { testStack, testTrino } from '../../devstack/testing.ts'
import { eraseAll, foundInFolder, personSchema, writing } from '../../engine/erase/testing.ts'
import { type TestLake, testLake } from '../../engine/lake/testing.ts'
import type { LakeRow, LakeTable } from './reader.ts'
import { startTrinoReader, type TrinoReader } from './trino.ts'

const withTrino = testNeeding(await missingHere('trino'))

/** More votes than any other row has: Trino tells the highest of a version from its log alone. */
const manyVotes = '42424242424242'

/** Everything that a version tells of its rows, by a name. */
const questions = (version: number): Readonly<Record<string, string>> => ({
  rows: `SELECT id, title, votes FROM {t} FOR VERSION AS OF ${version}`,
  count: `SELECT count(*) FROM {t} FOR VERSION AS OF ${version}`,
  statistics: `SHOW STATS FOR (SELECT votes FROM {t} FOR VERSION AS OF ${version})`,
})

/** Asks the same before and after an erasure, so that the reader has met all of it that it may keep. */
async function assertForgets(lake: TestLake, reader: TrinoReader): Promise<void> {
  const table = lake.open('a')
  const archiver = lake.archiver(table, 'lake-a', { checkpointVersions: 3 })
  const secret = `secret${randomUUID()}`
  const put = (id: string, title: string, votes = '1') =>
    ({ op: 'put', row: table.schemas.codec.row({ id, title, votes }, 'row') }) as const
  let newest = 0
  for (const n of [1, 2, 3, 4]) {
    const changes = [put('person', `${secret} ${n}`, manyVotes), put(`other ${n}`, 'kept'), put('changed', String(n))]
    newest = (await archiver.reached((await table.writer.write(changes, writing())).revision)).version
  }
  const place: LakeTable = { bucket: lake.bucket, path: 'lake' }
  const told = (rows: readonly LakeRow[]) => JSON.stringify(rows)
  const holds = (text: string) => text.includes(secret) || text.includes(manyVotes) || text.includes('person')
  const since = (version: number) => reader.changes(place, version, newest)
  for (let version = 1; version <= newest; version++) {
    const { rows = '', count = '', statistics = '' } = questions(version)
    assert.ok(holds(told(await reader.query(place, rows))))
    assert.notEqual(told(await reader.query(place, count)), '[]')
    assert.ok(holds(told(await reader.query(place, statistics))))
    await since(version)
  }
  assert.ok(holds(told(await since(1))))
  const before = new Date().toISOString().replace('T', ' ').replace('Z', ' UTC')
  const then = `SELECT id FROM {t} FOR TIMESTAMP AS OF TIMESTAMP '${before}'`
  assert.ok(holds(told(await reader.query(place, then))))

  await table.writer.erase('e1', [{ id: 'person' }], writing())
  await eraseAll(table, join(lake.folder, 'scratch'))

  const today = await reader.query(place, 'SELECT id, title, votes FROM {t}')
  assert.deepEqual(today.map(({ id }) => id).sort(), ['changed', 'other 1', 'other 2', 'other 3', 'other 4'])
  for (const also of ['SHOW STATS FOR {t}', 'SELECT * FROM "{t}$history"', 'SELECT * FROM "{t}$properties"'])
    assert.ok(!holds(told(await reader.query(place, also))), also)
  // As of a version that is gone Trino answers an error, also to what it could tell from what it has kept.
  for (let version = 0; version <= newest; version++) {
    for (const [name, sql] of Object.entries(questions(version)))
      await assert.rejects(reader.query(place, sql), goneVersion, `${name} of ${version}`)
    await assert.rejects(since(version), brokenLog, `changes since ${version}`)
  }
  await assert.rejects(reader.query(place, then), goneVersion)

  // What comes afterwards is read as ever.
  await archiver.reached((await table.writer.write([put('person', 'is back')], writing())).revision)
  const back = await reader.query(place, "SELECT title FROM {t} WHERE id = 'person'")
  assert.deepEqual(back, [{ title: 'is back' }])
}

const goneVersion = (error: unknown): boolean => trinoErrorName(error) === 'INVALID_ARGUMENTS'
const brokenLog = (error: unknown): boolean => trinoErrorName(error) === 'DELTA_LAKE_BAD_DATA'

async function forgets(info: TrinoInfo): Promise<void> {
  await using reader = await startTrinoReader(info)
  const lake = await testLake(personSchema, () => {})
  try {
    await assertForgets(lake, reader)
  } finally {
    await lake.close()
  }
}

withTrino(
  'rows that are erased are gone for Trino, at every version and as changes, though it has read them',
  async () => {
    await forgets(await testTrino())
  },
)

withTrino(
  'rows that are erased are gone for a Trino that keeps objects on its disk, though they are there',
  async () => {
    await forgets({ ...(await testTrino()), catalog: cachingCatalog })
    // So the answers were not for want of it. Its bytes stay until Trino itself drops them (docs/operations.md).
    const { folder } = await testStack('objectStore')
    assert.notDeepEqual(await foundInFolder(trinoCache(folder), [Buffer.from('secret')]), [])
  },
)
