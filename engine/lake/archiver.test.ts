/** The lake holds every acknowledged change once, whatever happens to its archivers. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentWay } from '../../backends/object-store/testing.ts'
import { testStack } from '../../devstack/testing.ts'
import { announceSchema } from '../log/control.ts'
import { logStreamConfig } from '../log/log.ts'
import { purgeLog } from '../log/retention.ts'
import type { RowChange } from '../log/writer.ts'
import { writeSchema } from '../schema/documents.ts'
import { eventSchema, filmSchema, patience } from '../testing.ts'
import { readState } from './delta/state.ts'
import { testLake } from './testing.ts'

const options = () => ({ principal: 'p', schema: 1, signal: patience() })

test('rows written, changed and deleted are in the lake as the log left them', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    const put = (id: string, title: string): RowChange => ({
      op: 'put',
      row: table.schemas.codec.row({ id, title }, 'row'),
    })
    let { revision } = await table.writer.write([put('a', 'one'), put('b', 'two'), put('c', 'three')], options())
    await archiver.reached(revision)
    revision = (
      await table.writer.write([put('a', 'uno'), { op: 'delete', row: { id: 'b' } }, put('d', 'four')], options())
    ).revision
    const progress = await archiver.reached(revision)
    assert.deepEqual({ files: progress.files, rows: progress.rows }, { files: 2, rows: 3 })
    const { rows } = await lake.rows(table)
    assert.deepEqual(
      rows.map(({ id, title }) => [id, title]),
      [
        ['a', 'uno'],
        ['c', 'three'],
        ['d', 'four'],
      ],
    )
    // A newcomer with nothing in its cache goes on from there.
    await archiver.stop()
    const other = lake.open('b')
    const successor = lake.archiver(other, 'lake-b')
    revision = (await table.writer.write([put('c', 'tre'), { op: 'delete', row: { id: 'd' } }], options())).revision
    await successor.reached(revision)
    assert.deepEqual(
      (await lake.rows(table)).rows.map(({ id, title }) => [id, title]),
      [
        ['a', 'uno'],
        ['c', 'tre'],
      ],
    )
  } finally {
    await lake.close()
  }
})

test('appended rows are in the lake once and in order, also those without any value', async () => {
  const lake = await testLake(eventSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    const rows = [{ n: 1, text: 'a,\n{"' }, {}, { n: '3' }, {}].map(row => table.schemas.codec.row(row, 'row'))
    await table.writer.append(rows, options())
    const { revision } = await table.writer.append(
      [{ n: '4', text: null }].map(row => table.schemas.codec.row(row, 'r')),
      options(),
    )
    await archiver.reached(revision)
    assert.deepEqual(
      (await lake.rows(table)).rows.map(({ n, text }) => [n, text]),
      [
        ['1', 'a,\n{"'],
        [null, null],
        ['3', null],
        [null, null],
        ['4', null],
      ],
    )
  } finally {
    await lake.close()
  }
})

test('an archiver stops though the store never answers, wherever it is', async () => {
  const { objectStore: store } = await testStack('objectStore')
  const lake = await testLake(filmSchema)
  try {
    const put = (id: string): RowChange => ({ op: 'put', row: { id } })
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    const { revision } = await table.writer.write([put('a')], options())
    await archiver.reached(revision)
    await archiver.stop()
    await purgeLog(table.log, revision, { retentionSeconds: 0, now: Date.now() + 60_000 })
    // While it reads what there is, opens its replica, commits what is written meanwhile: each time a request further.
    for (let at = 1; at <= 16; at++) {
      const way = await silentWay({ ...store, pathStyle: true })
      const other = lake.open(`b${at}`, way.objects)
      const asked = way.hushAt(at)
      const starting = lake.archiver(other, `lake-b${at}`, { stopMillis: 50 })
      await table.writer.write([put(`b${at}`)], options())
      await asked
      await starting.stop()
      // Its replica may still be loading: nobody waits for that either.
      await other.close()
      await way.close()
    }
  } finally {
    await lake.close()
  }
})

test('a row is archived though the announcement of its schema stands behind it', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = lake.open('a')
    await announceSchema(table.log, 1)
    const archiver = lake.archiver(table, 'lake-a')
    await sleep(100)
    assert.equal(await readState(table.lake), undefined, 'for an announcement alone no lake is made')
    await archiver.stop()
    // As in a log of which the beginning was written by another version: the one row, then the newest schema alone.
    await lake.on.streams.admin.streams.delete(table.log.stream)
    const { stream, tableUid, epoch } = table.log
    const config = { stream, tableUid, epoch, maxBytes: 2 ** 26, replicas: 1, metadata: {} }
    await lake.on.streams.admin.streams.add(logStreamConfig(config))
    const other = lake.open('b')
    const { revision } = await other.writer.write([{ op: 'put', row: { id: 'a' } }], options())
    await writeSchema(lake.objects, lake.bucket, { ...filmSchema, number: 2 })
    assert.equal(await announceSchema(other.log, 2), 2)
    await other.schemas.reach(2)
    const again = lake.archiver(other, 'lake-b')
    await again.reached(revision)
    await again.stop()
    assert.equal((await lake.rows(other)).rows.length, 1)
  } finally {
    await lake.close()
  }
})
