/** Who is slow is overtaken: by a purge, by another archiver, by the removal of files. Nothing is taken for lost because of it. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ObjectStore } from '../../backends/object-store/store.ts'
import type { Streams } from '../../backends/streams/connect.ts'
import { isBlastyError } from '../../base/errors.ts'
import { purgeLog } from '../log/retention.ts'
import type { RowChange } from '../log/writer.ts'
import { Table } from '../table.ts'
import { filmSchema, patience } from '../testing.ts'
import { writeCheckpoint } from './delta/checkpoint.ts'
import { cleanLog, vacuum } from './delta/clean-up.ts'
import { readState } from './delta/state.ts'
import { type TestLake, testLake } from './testing.ts'

const options = () => ({ principal: 'p', schema: 1, signal: patience() })
const put = (id: string, year: number): RowChange => ({ op: 'put', row: { id, year } })

async function purge(lake: TestLake, archived: number): Promise<void> {
  assert.equal(await purgeLog(lake.on.log, archived, { retentionSeconds: 0, now: Date.now() + 60_000 }), archived)
}

async function years(table: Table, revision: number): Promise<unknown[]> {
  const replica = await table.reached(revision, 'rows', patience())
  const snapshot = replica.snapshot()
  try {
    return [...snapshot.rows()].map(({ row }) => [row.row(table.schemas.codec).id, row.row(table.schemas.codec).year])
  } finally {
    snapshot.close()
  }
}

/** Streams on which nobody begins to follow a log until they are let go. */
function heldStreams(streams: Streams): {
  readonly streams: Streams
  readonly asked: Promise<void>
  readonly letGo: () => void
} {
  const asked = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const { consumers } = streams.client
  const get: typeof consumers.get = async (...args) => {
    asked.resolve()
    await gate.promise
    return consumers.get(...args)
  }
  const held = new Proxy(consumers, {
    get(target, name) {
      if (name === 'get') return get
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const client = new Proxy(streams.client, {
    get(target, name) {
      if (name === 'consumers') return held
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { streams: { ...streams, client }, asked: asked.promise, letGo: gate.resolve }
}

test('a replica that stands still past a purge asks to be tried again, and then shows the rows of the lake', async () => {
  const lake = await testLake(filmSchema)
  const held = heldStreams(lake.on.streams)
  const errors: unknown[] = []
  const { tableUid: uid, stream, epoch } = lake.on.log
  const slow = new Table(
    { namespace: 'test', name: 'films', uid, schema: filmSchema, bucket: lake.bucket, stream, epoch },
    {
      streams: held.streams,
      objects: lake.objects,
      dataDirectory: join(lake.folder, 'slow'),
      onError: error => errors.push(error),
    },
  )
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    const waiting = slow.reached(0, 'rows', patience())
    waiting.catch(() => {})
    await table.writer.write([put('a', 1)], options())
    const first = slow.reached(1, 'rows', patience())
    first.catch(() => {})
    await held.asked
    const { revision } = await table.writer.write([put('a', 2), put('b', 2)], options())
    await archiver.reached(revision)
    await purge(lake, revision)
    held.letGo()
    await assert.rejects(first, error => isBlastyError(error, 'TABLE_NOT_READY') && error.entry.retryable)
    assert.ok(errors.every(error => isBlastyError(error, 'LOG_GAP')))
    assert.equal(errors.length, 1)
    assert.deepEqual(await years(slow, revision), [
      ['a', 2],
      ['b', 2],
    ])
  } finally {
    await slow.close()
    await lake.close()
  }
})

/** A store that does something else behind its `at`-th request. */
function interruptedStore(objects: ObjectStore, at: number, interrupt: () => Promise<void>) {
  let requests = 0
  const asked = async <T>(request: () => Promise<T>): Promise<T> => {
    const answer = await request()
    if (++requests === at) await interrupt()
    return answer
  }
  const interrupted: ObjectStore = {
    ...objects,
    get: (...args) => asked(() => objects.get(...args)),
    download: (...args) => asked(() => objects.download(...args)),
    list: async function* (...args) {
      yield* await asked(() => Array.fromAsync(objects.list(...args)))
    },
    until: () => interrupted,
  }
  return { objects: interrupted, requests: () => requests }
}

test('an archiver that starts while another archives and purges does not take the lake for lost', async () => {
  // A replica that the purge passes is loaded anew from the lake.
  const lake = await testLake(filmSchema, error => assert.ok(isBlastyError(error, 'LOG_GAP'), String(error)))
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    let { revision } = await table.writer.write([put('a', 0)], options())
    await archiver.reached(revision)
    for (let at = 1; at <= 6; at++) {
      const store = interruptedStore(lake.objects, at, async () => {
        revision = (await table.writer.write([put('a', at)], options())).revision
        await archiver.reached(revision)
        await purge(lake, revision)
      })
      const starting = lake.archiver(lake.open(`b${at}`, store.objects), `lake-b${at}`)
      await starting.reached(revision)
      await starting.stop()
      assert.ok(store.requests() >= at)
      assert.deepEqual(starting.failures, [], `behind request ${at}`)
    }
  } finally {
    await lake.close()
  }
})

test('a replica whose snapshot is removed while it is read, since its lease had ended, is loaded from the next one', async () => {
  const lake = await testLake(filmSchema)
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    await archiver.reached((await table.writer.write([put('a', 1), put('b', 1)], options())).revision)
    let { revision } = await table.writer.write([put('c', 1), put('d', 1)], options())
    await archiver.reached(revision)
    await purge(lake, revision)
    let downloads = 0
    const slow: ObjectStore = {
      ...lake.objects,
      until: () => slow,
      download: async (...args) => {
        if (++downloads === 2) {
          revision = (
            await table.writer.write(
              ['a', 'b', 'c', 'd'].map(id => put(id, 2)),
              options(),
            )
          ).revision
          await archiver.reached(revision)
          await archiver.stop()
          await purge(lake, revision)
          const state = await readState(table.lake)
          assert.ok(state)
          await writeCheckpoint(table.lake, state, lake.folder)
          const olderThan = Date.now() + 3_600_000
          await cleanLog(table.lake, state, { olderThan, leaseMillis: -60_000 })
          const { objects } = await vacuum(table.lake, state, { olderThan, keep: () => false, leastAgeMillis: -60_000 })
          assert.ok(objects > 0)
        }
        return lake.objects.download(...args)
      },
    }
    const fresh = lake.open('fresh', slow)
    assert.deepEqual(
      await years(fresh, 0),
      ['a', 'b', 'c', 'd'].map(id => [id, 2]),
    )
    assert.ok(downloads > 2)
  } finally {
    await lake.close()
  }
})
