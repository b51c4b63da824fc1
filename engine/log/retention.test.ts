/** What is purged from a log, and what is declared before: the lake must hold it, it must be old, and batches stay whole. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isBlastyError } from '../../base/errors.ts'
import { filmSchema, patience, type TestLog, testLog } from '../testing.ts'
import { announcedSchema, announceSchema, declaredFloor, raiseFloor } from './control.ts'
import { changeLog } from './log.ts'
import { purgeLog } from './retention.ts'
import { logWriter } from './writer.ts'

const options = () => ({ principal: 'p', schema: 1, signal: patience() })
const later = () => Date.now() + 60_000

async function withLog(work: (on: TestLog) => Promise<void>, maxBytes?: number): Promise<void> {
  const on = await testLog(filmSchema, maxBytes)
  try {
    await work(on)
  } finally {
    await on.close()
  }
}

/** Writes batches of so many rows; returns the last revision. */
async function write({ log, schemas }: TestLog, ...sizes: readonly number[]): Promise<number> {
  const writer = logWriter(log, { encodeKey: schemas.encodeKey, lookup: async () => undefined })
  let last = 0
  for (const [batch, size] of sizes.entries()) {
    const rows = Array.from({ length: size }, (_, row) => ({ op: 'put', row: { id: `${batch} ${row}` } }) as const)
    last = (await writer.write(rows, options())).revision
  }
  return last
}

async function stateOf({ log, streams }: TestLog) {
  const { state, config } = await streams.admin.streams.info(log.stream)
  return { first: state.first_seq, last: state.last_seq, bytes: state.bytes, maxBytes: config.max_bytes }
}

test('a log that was never written is left alone', () =>
  withLog(async on => {
    assert.equal(await purgeLog(on.log, 0, { retentionSeconds: 0, now: later() }), undefined)
    assert.equal(await declaredFloor(on.log), 0)
  }))

test('what the lake does not hold stays, and the floor says what is gone', () =>
  withLog(async on => {
    const last = await write(on, 1, 1, 1, 1)
    assert.equal(await purgeLog(on.log, 0, { retentionSeconds: 0, now: later() }), undefined)
    assert.equal(await purgeLog(on.log, 2, { retentionSeconds: 0, now: later() }), 2)
    assert.equal((await stateOf(on)).first, 3)
    assert.equal(await declaredFloor(on.log), 2)
    // A lake that claims more than the log has does not take the floor's own record along.
    assert.equal(await purgeLog(on.log, last + 100, { retentionSeconds: 0, now: later() }), last + 1)
    assert.equal(await declaredFloor(on.log), last + 1)
  }))

test('what is younger than the retention stays', () =>
  withLog(async on => {
    await write(on, 1, 1)
    await sleep(5)
    const last = await write(on, 1)
    const message = await on.streams.admin.streams.getMessage(on.log.stream, { seq: last })
    const time = message?.time.getTime() ?? Number.NaN
    assert.equal(await purgeLog(on.log, last, { retentionSeconds: 100, now: time + 100_000 - 60_000 }), undefined)
    assert.equal(await purgeLog(on.log, last, { retentionSeconds: 100, now: time + 100_000 }), last - 1)
    assert.equal(await purgeLog(on.log, last, { retentionSeconds: 100, now: time + 100_001 }), last)
  }))

test('a batch is purged whole or not at all', () =>
  withLog(async on => {
    await write(on, 3, 4, 2)
    const cases = [
      [1, undefined],
      [2, undefined],
      [3, 3],
      [4, undefined],
      [6, undefined],
      [8, 7],
      [9, 9],
    ] as const
    for (const [archived, upTo] of cases)
      assert.equal(await purgeLog(on.log, archived, { retentionSeconds: 0, now: later() }), upTo, `up to ${archived}`)
  }))

test('a floor is never lowered, and never below what is purged, whoever purges at once', () =>
  withLog(async on => {
    const last = await write(on, ...Array.from({ length: 40 }, () => 2))
    await raiseFloor(on.log, 30)
    await raiseFloor(on.log, 10)
    assert.equal(await declaredFloor(on.log), 30)
    assert.equal(await purgeLog(on.log, 20, { retentionSeconds: 0, now: later() }), 20)
    assert.equal(await declaredFloor(on.log), 30)
    for (let archived = 30; archived <= last; archived += 10) {
      const purges = [archived, archived - 4, archived, archived - 8].map(upTo =>
        purgeLog(on.log, upTo, { retentionSeconds: 0, now: later() }),
      )
      const reached = (await Promise.all(purges)).map(upTo => upTo ?? 0)
      const { first } = await stateOf(on)
      assert.ok(first > Math.max(...reached))
      assert.ok(
        (await declaredFloor(on.log)) >= first - 1,
        `the floor is ${await declaredFloor(on.log)} of ${first - 1}`,
      )
    }
  }))

const small = 256 * 1024
const text = 'x'.repeat(4000)

/** Writes until the log takes no more, or until it is as full as asked. */
async function fill(on: TestLog, share = Number.POSITIVE_INFINITY): Promise<number> {
  const { log, schemas } = on
  const writer = logWriter(log, { encodeKey: schemas.encodeKey, lookup: async () => undefined })
  let last = 0
  for (const title of [text, '']) {
    for (let n = 0; ; n++) {
      if ((await stateOf(on)).bytes > share * small) return last
      try {
        last = (await writer.write([{ op: 'put', row: { id: `${title.length} ${n}`, title } }], options())).revision
      } catch (error) {
        if (!isBlastyError(error, 'LOG_FULL')) throw error
        break
      }
    }
  }
  return last
}

test('a crowded log keeps ten minutes, however long it might', () =>
  withLog(async on => {
    const inEleven = () => ({ retentionSeconds: 86_400, now: Date.now() + 660_000 })
    let last = await fill(on, 0.7)
    assert.equal(await purgeLog(on.log, last, inEleven()), undefined)
    last = await fill(on, 0.81)
    assert.equal(await purgeLog(on.log, last, { ...inEleven(), now: Date.now() + 540_000 }), undefined)
    assert.equal(await purgeLog(on.log, last, inEleven()), last)
  }, small))

test('a full log is purged though it refuses even the floor, and then takes rows again', () =>
  withLog(async on => {
    const last = await fill(on)
    await assert.rejects(write(on, 1), error => isBlastyError(error, 'LOG_FULL'))
    await assert.rejects(raiseFloor(on.log, last), error => isBlastyError(error, 'LOG_FULL'))
    assert.equal(await purgeLog(on.log, last, { retentionSeconds: 0, now: later() }), last)
    assert.equal(await declaredFloor(on.log), last)
    assert.equal((await stateOf(on)).maxBytes, small)
    await write(on, 1)
  }, small))

test('a full log is purged also while writers take whatever room there is', () =>
  withLog(async on => {
    const { log, schemas } = on
    const last = await fill(on)
    const stop = new AbortController()
    const hammer = async (name: string) => {
      const writer = logWriter(log, { encodeKey: schemas.encodeKey, lookup: async () => undefined })
      for (let n = 0; !stop.signal.aborted; n++) {
        const rows = Array.from(
          { length: 20 },
          (_, row) => ({ op: 'put', row: { id: `${name} ${n} ${row}`, title: text } }) as const,
        )
        await writer.write(rows, options()).catch(error => assert.ok(isBlastyError(error, 'LOG_FULL'), String(error)))
      }
    }
    const hammers = ['a', 'b', 'c', 'd'].map(hammer)
    try {
      assert.equal(await purgeLog(log, last, { retentionSeconds: 0, now: later() }), last)
    } finally {
      stop.abort()
      await Promise.all(hammers)
    }
    assert.equal((await stateOf(on)).maxBytes, small)
  }, small))

test('a schema is announced also when a purge takes the announcement before it at that moment', () =>
  withLog(async on => {
    const { log, streams } = on
    const announced = await announceSchema(log, 2)
    const last = await write(on, 1)
    const { streams: api } = streams.admin
    let purged = false
    const getMessage: typeof api.getMessage = async (...args) => {
      const message = await api.getMessage(...args)
      if (!purged) {
        purged = true
        assert.equal(await purgeLog(log, last, { retentionSeconds: 0, now: later() }), last)
      }
      return message
    }
    const replaced = <T extends object>(target: T, name: string, value: unknown): T =>
      new Proxy(target, {
        get(of, key) {
          if (key === name) return value
          const found: unknown = Reflect.get(of, key, of)
          return typeof found === 'function' ? found.bind(of) : found
        },
      })
    const admin = replaced(streams.admin, 'streams', replaced(api, 'getMessage', getMessage))
    const revision = await announceSchema(changeLog(log, { ...streams, admin }), 3)
    assert.ok(purged && revision > last && last > announced)
    assert.equal(await announcedSchema(log), 3)
  }))
