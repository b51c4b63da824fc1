/** Rows brought back as an earlier version of the lake had them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readState } from '../lake/delta/state.ts'
import { testLake } from '../lake/testing.ts'
import { logState } from '../log/log.ts'
import { eventSchema, filmSchema, patience } from '../testing.ts'
import { versionAsOf } from './as-of.ts'
import { restore } from './restore.ts'
import { closeAll, openEpoch, options, put, titles } from './testing.ts'

test('changed rows get their old values, deleted ones come back, later ones go, and the rest is not touched', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = openEpoch(lake, 1)
    const archiver = lake.archiver(table, 'lake-a')
    const many = Array.from({ length: 700 }, (_, i) => put(table, `m${i}`, 'many'))
    const good = await table.writer.write(
      [put(table, 'a', 'one'), put(table, 'b', 'two'), put(table, 'c', 'three')],
      options(),
    )
    await archiver.reached(good.revision)
    const { version = 0, timestamp = 0 } = (await readState(table.lake)) ?? {}
    const bad = await table.writer.write([put(table, 'a', 'wrong'), { op: 'delete', row: { id: 'b' } }], options())
    await archiver.reached(bad.revision)
    await archiver.stop()
    const last = await table.writer.write(many, options())

    assert.equal(await versionAsOf(table.lake, timestamp), version)
    assert.equal(await versionAsOf(table.lake, Date.now() + 60_000), (await readState(table.lake))?.version)
    await assert.rejects(versionAsOf(table.lake, 1000), { code: 'LAKE_VERSION_EXPIRED' })
    const work = { from: table, version, into: table, directory: lake.folder, signal: patience() }
    const done = await restore(work)
    assert.deepEqual([done.put, done.deleted, done.same], [2, 700, 1])
    assert.ok(done.revision > last.revision)
    assert.deepEqual(await titles(table, done.revision), [
      ['a', 'one'],
      ['b', 'two'],
      ['c', 'three'],
    ])
    const { last: end } = await logState(table.log)
    assert.deepEqual(await restore(work), { put: 0, deleted: 0, same: 3, revision: 0 })
    assert.equal((await logState(table.log)).last, end)
  } finally {
    await closeAll(lake)
  }
})

test('a restore that is interrupted is begun again and does the rest', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = openEpoch(lake, 1)
    const archiver = lake.archiver(table, 'lake-a')
    const many = (title: string) => Array.from({ length: 900 }, (_, i) => put(table, `m${i}`, title))
    const good = await table.writer.write(many('good'), options())
    await archiver.reached(good.revision)
    await archiver.stop()
    const { version = 0 } = (await readState(table.lake)) ?? {}
    await table.writer.write(many('bad'), options())
    const stop = new AbortController()
    const work = { from: table, version, into: table, directory: lake.folder, signal: stop.signal }
    await assert.rejects(restore({ ...work, onProgress: () => stop.abort() }))
    const rest = await restore({ ...work, signal: patience() })
    assert.deepEqual([rest.put, rest.same], [400, 500])
    const found = await titles(table, rest.revision)
    assert.equal(found.length, 900)
    assert.ok(found.every(row => JSON.stringify(row).endsWith('"good"]')))
  } finally {
    await closeAll(lake)
  }
})

test('a Table without a key in place, or one of other columns, is refused', async () => {
  const [events, films] = await Promise.all([testLake(eventSchema), testLake(filmSchema)])
  try {
    const work = { version: 0, directory: films.folder, signal: patience() }
    const [event, film] = [events.open('e'), openEpoch(films, 1)]
    await assert.rejects(restore({ ...work, from: event, into: event }), { code: 'UNSUPPORTED' })
    await assert.rejects(restore({ ...work, from: film, into: event }), { code: 'INVALID_ARGUMENT' })
  } finally {
    await closeAll(events)
    await closeAll(films)
  }
})

test('rows are restored into another Table of the same columns and key, which then has those and no others', async () => {
  const [lake, other] = await Promise.all([testLake(filmSchema), testLake(filmSchema)])
  try {
    const [table, into] = [openEpoch(lake, 1), openEpoch(other, 1)]
    const archiver = lake.archiver(table, 'lake-a')
    const good = await table.writer.write([put(table, 'a', 'one'), put(table, 'b', 'two')], options())
    await archiver.reached(good.revision)
    await archiver.stop()
    const { version = 0 } = (await readState(table.lake)) ?? {}
    const later = await table.writer.write([put(table, 'a', 'later')], options())
    await into.writer.write([put(into, 'b', 'two'), put(into, 'x', 'own')], options())
    const work = { from: table, version, into, directory: lake.folder, signal: patience() }
    const { put: written, deleted, same, revision } = await restore(work)
    assert.deepEqual([written, deleted, same], [1, 1, 1])
    assert.deepEqual(await titles(into, revision), [
      ['a', 'one'],
      ['b', 'two'],
    ])
    assert.deepEqual(await titles(table, later.revision), [
      ['a', 'later'],
      ['b', 'two'],
    ])
  } finally {
    await closeAll(lake)
    await closeAll(other)
  }
})

test('appended rows are restored into another Table in their order, and once though it is interrupted', async () => {
  const [lake, other] = await Promise.all([testLake(eventSchema), testLake(eventSchema)])
  try {
    const [table, into] = [openEpoch(lake, 1), openEpoch(other, 1)]
    const rows = (from: number, count: number) => Array.from({ length: count }, (_, i) => ({ n: String(from + i) }))
    const archiver = lake.archiver(table, 'lake-a')
    for (let from = 0; from < 1200; from += 400) {
      await archiver.reached((await table.writer.append(rows(from, 400), options())).revision)
    }
    await archiver.stop()
    const { version = 0 } = (await readState(table.lake)) ?? {}
    await table.writer.append(rows(5000, 1), options())
    const stop = new AbortController()
    const work = { from: table, version, into, directory: lake.folder, signal: patience() }
    await assert.rejects(restore({ ...work, signal: stop.signal, onProgress: () => stop.abort() }))
    const { put: written, same, revision } = await restore(work)
    assert.deepEqual([written, same], [700, 500])
    assert.deepEqual(await restore(work), { put: 0, deleted: 0, same: 1200, revision })
    const replica = await into.reached(revision, 'rows', patience())
    const found: unknown[] = []
    for await (const { changes } of replica.source.changes(0, patience(), revision))
      for (const { new: row } of changes) found.push(row?.row(into.schemas.codec).n)
    assert.deepEqual(
      found,
      rows(0, 1200).map(({ n }) => n),
    )
  } finally {
    await closeAll(lake)
    await closeAll(other)
  }
})
