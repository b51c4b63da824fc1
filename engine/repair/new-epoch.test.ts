/** A log that is lost and begun anew in another epoch: rows as the lake had them, and nothing that was issued is issued again. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { watch } from '../feed/watch.ts'
import { readState } from '../lake/delta/state.ts'
import { testLake } from '../lake/testing.ts'
import { announceSchema } from '../log/control.ts'
import { logState } from '../log/log.ts'
import { filmSchema, patience } from '../testing.ts'
import { revisionGap } from './new-epoch.ts'
import { closeAll, loseLog, openEpoch, options, put, repairLog, titles } from './testing.ts'

test('after a repair the rows are as the lake had them, and the Table goes on above every revision ever issued', async () => {
  const lake = await testLake(filmSchema)
  try {
    await announceSchema(lake.on.log, 1)
    const table = openEpoch(lake, 1)
    const archiver = lake.archiver(table, 'lake-a')
    await table.writer.write([put(table, 'a', 'one'), put(table, 'b', 'two')], options())
    const kept = await table.writer.write([put(table, 'a', 'uno')], options())
    await archiver.reached(kept.revision)
    await archiver.stop()
    const lost = await table.writer.write([put(table, 'c', 'gone')], options())
    await loseLog(lake)
    const begun = await repairLog(table, lost.revision)
    assert.deepEqual(begun, {
      epoch: 2,
      first: lost.revision + revisionGap + 1,
      kept: kept.revision,
      known: lost.revision,
    })

    const next = openEpoch(lake, 2)
    assert.deepEqual(await titles(next), [
      ['a', 'uno'],
      ['b', 'two'],
    ])
    const condition = { kind: 'absent' } as const
    const again = next.writer.write([{ ...put(next, 'a', 'x'), condition }], options())
    await assert.rejects(again, { code: 'ROW_EXISTS' })
    const fresh = await next.writer.write([{ ...put(next, 'c', 'three'), condition }], options())
    assert.ok(fresh.first > begun.first)
    const expected = { kind: 'revision', revision: kept.revision } as const
    await next.writer.write([{ ...put(next, 'a', 'ein'), condition: expected }], options())
    const last = await next.writer.write([{ op: 'delete', row: { id: 'b' } }], options())

    const going = lake.archiver(next, 'lake-next')
    await going.reached(last.revision)
    await going.stop()
    assert.deepEqual(going.failures, [])
    assert.deepEqual(
      (await lake.rows(next)).rows.map(({ id, title }) => [id, title]),
      [
        ['a', 'ein'],
        ['c', 'three'],
      ],
    )
    await assert.rejects(logState(table.log), { code: 'EPOCH_CHANGED' })
  } finally {
    await closeAll(lake)
  }
})

test('a writer that missed the repair writes nothing into the new log', async () => {
  const lake = await testLake(filmSchema)
  try {
    await announceSchema(lake.on.log, 1)
    const table = openEpoch(lake, 1)
    const { revision } = await table.writer.write([put(table, 'a', 'one')], options())
    await loseLog(lake)
    const { epoch } = await repairLog(table, revision)
    const refused = (write: Promise<unknown>) => assert.rejects(write, { code: 'EPOCH_CHANGED' })
    const absent = { kind: 'absent' } as const
    const next = openEpoch(lake, epoch)
    const { last: before } = await logState(next.log)
    await Promise.all([
      refused(table.writer.write([put(table, 'b', 'late')], options())),
      refused(table.writer.write([put(table, 'b', 'late'), put(table, 'c', 'late')], options())),
      refused(table.writer.write([{ ...put(table, 'd', 'late'), condition: absent }], options())),
      refused(table.writer.write([put(table, 'e', 'late')], { ...options(), mutationId: 'late' })),
      assert.rejects(announceSchema(table.log, 2), { code: 'BACKEND_UNAVAILABLE' }),
    ])
    assert.equal((await logState(next.log)).last, before)
    assert.deepEqual(await titles(next), [])
  } finally {
    await closeAll(lake)
  }
})

test('a log of an earlier epoch that comes back from a backup takes nothing from writers of the later one', async () => {
  const lake = await testLake(filmSchema)
  try {
    await announceSchema(lake.on.log, 1)
    const next = openEpoch(lake, 2)
    const { last: before } = await logState(lake.on.log)
    await assert.rejects(next.writer.write([put(next, 'a', 'one')], options()), { code: 'EPOCH_CHANGED' })
    assert.equal((await logState(lake.on.log)).last, before)
  } finally {
    await closeAll(lake)
  }
})

test('a watch in the new epoch can begin at a revision of the old one that the lake remembers', async () => {
  const lake = await testLake(filmSchema)
  try {
    await announceSchema(lake.on.log, 1)
    const table = openEpoch(lake, 1)
    const archiver = lake.archiver(table, 'lake-a')
    const first = await table.writer.write([put(table, 'a', 'one')], options())
    await archiver.reached(first.revision)
    const second = await table.writer.write([put(table, 'a', 'uno')], options())
    await archiver.reached(second.revision)
    await archiver.stop()
    await loseLog(lake)
    await repairLog(table, second.revision)
    const next = openEpoch(lake, 2)
    const last = await next.writer.write([put(next, 'a', 'ein')], options())
    const told: unknown[] = []
    const start = { from: 'revision', revision: first.revision } as const
    for await (const message of watch(next, { start, test: () => true, signal: patience(), heartbeatMillis: 60_000 })) {
      if (message.kind !== 'events') continue
      for (const { old, new: row } of message.events)
        told.push([old?.row(next.schemas.codec).title, row?.row(next.schemas.codec).title])
      if (message.revision === last.revision) break
    }
    assert.deepEqual(told, [
      ['one', 'uno'],
      ['uno', 'ein'],
    ])
  } finally {
    await closeAll(lake)
  }
})

test('what an archiver has read when the log vanishes gets into the lake all the same', async () => {
  const lake = await testLake(filmSchema)
  try {
    await announceSchema(lake.on.log, 1)
    const table = openEpoch(lake, 1)
    const { revision } = await table.writer.write([put(table, 'a', 'one')], options())
    const archiver = lake.archiver(table, 'lake-a', { commitWindowMillis: 3_600_000 })
    await archiver.reached(0)
    await table.reached(revision, 'rows', patience())
    await loseLog(lake)
    await archiver.reached(revision)
    await archiver.stop()
    assert.equal((await lake.rows(table)).rows.length, 1)
  } finally {
    await closeAll(lake)
  }
})

test('an archiver of the earlier epoch is refused once a repair has stated the next one', async () => {
  const lake = await testLake(filmSchema)
  try {
    await announceSchema(lake.on.log, 1)
    const table = openEpoch(lake, 1)
    const { revision } = await table.writer.write([put(table, 'a', 'one')], options())
    const archiver = lake.archiver(table, 'lake-a')
    await archiver.reached(revision)
    await archiver.stop()
    await loseLog(lake)
    await repairLog(table, revision)
    const refused = Promise.withResolvers<unknown>()
    const late = lake.archiver(table, 'lake-late', { onFailure: error => refused.resolve(error) })
    assert.ok(isBlastyError(await refused.promise, 'EPOCH_CHANGED'))
    await late.stop()
    const state = await readState(table.lake)
    assert.equal(state?.version, 2)
  } finally {
    await closeAll(lake)
  }
})

test('a log is begun anew where there is no lake, and again when a repair broke off', async () => {
  const lake = await testLake(filmSchema)
  try {
    await announceSchema(lake.on.log, 1)
    const table = openEpoch(lake, 1)
    const { revision } = await table.writer.write([put(table, 'a', 'one')], options())
    await assert.rejects(repairLog(table, revision), { code: 'BACKEND_REFUSED' })
    await loseLog(lake)
    const begun = await repairLog(table, revision)
    assert.equal(begun.epoch, 3)
    assert.equal(begun.kept, 0)
    const next = openEpoch(lake, 3)
    assert.deepEqual(await titles(next), [])
  } finally {
    await closeAll(lake)
  }
})
