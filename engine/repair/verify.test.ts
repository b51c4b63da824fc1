/** Log, lake, replicas, indexes and blobs of a Table compared: alike they say nothing, and what differs is named. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { publish } from '../../backends/streams/publish.ts'
import { storeBlob } from '../blobs/blobs.ts'
import { chunksOf, refOf } from '../blobs/testing.ts'
import { readState } from '../lake/delta/state.ts'
import { type TestLake, testLake } from '../lake/testing.ts'
import { headersOf } from '../log/record.ts'
import { purgeLog } from '../log/retention.ts'
import type { RowChange } from '../log/writer.ts'
import type { Table } from '../table.ts'
import { eventSchema, filmSchema, patience } from '../testing.ts'
import { closeAll, loseLog, openEpoch, options, put, repairLog } from './testing.ts'
import { verifyTable } from './verify.ts'

const verify = async (lake: TestLake, table: Table, more: Partial<Parameters<typeof verifyTable>[1]> = {}) => {
  const directory = join(lake.folder, 'verify')
  const { findings, ...rest } = await verifyTable(table, { directory, signal: patience(), ...more })
  return { ...rest, told: findings.parts.flatMap(({ part, first }) => first.map(text => `${part}: ${text}`)) }
}

/** Two archived batches and one that is in the log alone; returns the end of the log. */
async function fill(lake: TestLake, table: Table): Promise<{ readonly archived: number; readonly last: number }> {
  const archiver = lake.archiver(table, 'lake-a')
  await table.writer.write([put(table, 'a', 'one'), put(table, 'b', 'two'), put(table, 'c', 'Ünï\u{1f980}')], options())
  const second = await table.writer.write([put(table, 'a', 'uno'), { op: 'delete', row: { id: 'b' } }], options())
  await archiver.reached(second.revision)
  await archiver.stop()
  const third = await table.writer.write([put(table, 'd', 'four'), put(table, 'c', 'three')], options())
  return { archived: second.revision, last: third.revision }
}

test('a Table that is as it should be is the same everywhere, with its log whole, purged, and begun anew', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = openEpoch(lake, 1)
    const { archived, last } = await fill(lake, table)
    assert.deepEqual(await verify(lake, table), { epoch: 1, revision: last, rows: 3, told: [] })
    await purgeLog(table.log, archived, { retentionSeconds: 0, now: Date.now() + 60_000 })
    const purged = await verify(lake, table)
    assert.deepEqual([purged.rows, purged.told], [3, []])
    await loseLog(lake)
    await repairLog(table, last)
    const next = openEpoch(lake, 2)
    const { revision } = await next.writer.write([put(next, 'e', 'five')], options())
    assert.deepEqual(await verify(lake, next), { epoch: 2, revision, rows: 3, told: [] })
  } finally {
    await closeAll(lake)
  }
})

test('rows of an append-only Table are compared, revision by revision', async () => {
  const lake = await testLake(eventSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    const rows = (...numbers: number[]) => numbers.map(n => table.schemas.codec.row({ n }, 'row'))
    await table.writer.append(rows(1, 1), options())
    const { revision } = await table.writer.append(rows(2, 3), options())
    await archiver.reached(revision)
    await archiver.stop()
    await table.writer.append(rows(4), options())
    assert.deepEqual(await verify(lake, table), { epoch: 1, revision: 3, rows: 3, told: [] })
  } finally {
    await closeAll(lake)
  }
})

test('a bit that was flipped, and a file that is gone, are told with the name of the file', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = openEpoch(lake, 1)
    await fill(lake, table)
    const [first = ''] = (await readState(table.lake))?.files.keys() ?? []
    const key = `lake/${first}`
    const body = await lake.objects.get(lake.bucket, key)
    assert.ok(body)
    body.writeUInt8(body.readUInt8(body.length >> 1) ^ 1, body.length >> 1)
    await lake.objects.put(lake.bucket, key, body)
    const flipped = await verify(lake, table)
    assert.ok(
      flipped.told.some(text => text.startsWith('lake: ') && text.includes(first)),
      flipped.told.join('\n'),
    )
    assert.ok(flipped.told.some(text => text.startsWith('log: ') && text.includes('the lake does not')))
    await lake.objects.remove(lake.bucket, [key])
    assert.ok((await verify(lake, table)).told.some(text => text.includes(`${first} is missing`)))
  } finally {
    await closeAll(lake)
  }
})

test('rows that log and lake tell differently are named by their keys', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = openEpoch(lake, 1)
    const { archived } = await fill(lake, table)
    // The same log but for its rows, as after a restore of a wrong backup.
    const stream = table.log.stream
    const { config } = await lake.on.streams.admin.streams.info(stream)
    await lake.on.streams.admin.streams.delete(stream)
    await lake.on.streams.admin.streams.add({ ...config, name: stream })
    const other = openEpoch(lake, 1)
    const changes = [put(other, 'a', 'other'), put(other, 'b', 'kept'), put(other, 'x', 'never archived')]
    await other.writer.write(changes, options())
    await other.writer.write([{ op: 'delete', row: { id: 'c' } }], options())
    const headers = headersOf({ schema: 1, operation: 'tick', principal: 'p' })
    const tick = { subject: other.log.subjects.control('tick'), data: Buffer.from('{}'), headers }
    await publish(lake.on.streams.connection, [tick], 5_000)
    const { told } = await verify(lake, other)
    assert.deepEqual(told, [
      'log: {"id":"a"}: the log has it at 1, the lake at 4',
      'log: {"id":"b"}: the log has it, at revision 2, and the lake does not',
      'log: {"id":"c"}: the log deleted it at revision 4, the lake has it at 3',
      'log: {"id":"x"}: the log has it, at revision 3, and the lake does not',
    ])
    assert.equal(archived, 5)
  } finally {
    await closeAll(lake)
  }
})

test('rows that a facade serves and that are not the Table’s are named', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = openEpoch(lake, 1)
    const { last } = await fill(lake, table)
    const row = (id: string, title: string, revision: number) => ({
      row: table.schemas.codec.decode(Buffer.from(JSON.stringify({ id, title }))),
      revision,
    })
    const served = async function* () {
      yield [row('a', 'uno', 4), row('c', 'wrong', last), row('z', 'no', 9)]
    }
    const { told } = await verify(lake, table, { served })
    assert.deepEqual(told, [
      `replica: {"id":"c"} is there with other values at revision ${last}`,
      `replica: {"id":"d"} is missing; it is at revision ${last - 1}`,
      'replica: {"id":"z"} is there at revision 9, and there is no such row',
    ])
  } finally {
    await closeAll(lake)
  }
})

test('a blob that a row names and the bucket lacks is told, with the row, and one that no row names any more is not', async () => {
  const columns = [
    { name: 'id', type: 'String', required: true, field: 1 },
    { name: 'poster', type: 'Blob', required: false, field: 2 },
  ] as const
  const lake = await testLake({ number: 1, columns, retired: [], primaryKey: ['id'] })
  try {
    const table = openEpoch(lake, 1)
    const type = 'image/png'
    const ref = (text: string) => refOf(Buffer.from(text), type)
    await storeBlob(table.blobs, chunksOf(Buffer.from('kept')), { type })
    const row = (id: string, text: string): RowChange => ({
      op: 'put',
      row: table.schemas.codec.row({ id, poster: ref(text) }, 'row'),
    })
    const archiver = lake.archiver(table, 'lake-a')
    await table.writer.write([row('a', 'kept'), row('b', 'gone'), row('c', 'replaced')], options())
    const { revision } = await table.writer.write([row('c', 'kept'), { op: 'put', row: { id: 'd' } }], options())
    await archiver.reached(revision)
    await archiver.stop()
    const { told } = await verify(lake, table)
    assert.equal(told.length, 1)
    assert.match(told[0] ?? '', new RegExp(`^blobs: .*"b".* names blob ${ref('gone').sha256}, which is not stored`))
  } finally {
    await closeAll(lake)
  }
})
