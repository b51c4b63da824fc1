/** An archiver of which every request to the store fails once, in each way, and that is killed at each: all is in the lake once. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { devConfig } from '../../devstack/config.ts'
import { announceSchema, expireRows } from '../log/control.ts'
import type { RowChange } from '../log/writer.ts'
import { writeSchema } from '../schema/documents.ts'
import type { Column, TableSchema } from '../schema/schema.ts'
import { patience } from '../testing.ts'
import { type TestLake, testLake } from './testing.ts'
import {
  type Archiving,
  archiving,
  assertArchived,
  copyCache,
  type Recorded,
  recorded,
  withLake,
  withParts,
} from './testing-faults.ts'
import { type StoreFault, storeFaults, struckStore } from './testing-store.ts'

const column = (field: number, name: string, rest: Partial<Column> = {}): Column => ({
  name,
  type: 'String',
  required: false,
  field,
  ...rest,
})
const keyedSchema: TableSchema = {
  number: 1,
  columns: [column(1, 'id', { required: true }), column(2, 'text')],
  retired: [],
  primaryKey: ['id'],
}
const appendSchema: TableSchema = { ...keyedSchema, columns: [column(1, 'id'), column(2, 'text')], primaryKey: [] }
const widened = (schema: TableSchema): TableSchema => ({
  ...schema,
  number: 2,
  columns: [...schema.columns, column(3, 'more', { type: 'Int64' })],
})

const options = (schema = 1) => ({ principal: 'p', schema, signal: patience() })

/** Inserts, updates, deletes, a key that goes and comes back, one that comes and goes, a column that is added. */
async function keyedLog(): Promise<Recorded> {
  const lake = await testLake(keyedSchema)
  const table = lake.open('truth')
  const put = (id: string, text: string, more?: string): RowChange => ({
    op: 'put',
    row: { id, text, ...(more !== undefined && { more }) },
  })
  const drop = (id: string): RowChange => ({ op: 'delete', row: { id } })
  const write = async (schema: number, ...changes: RowChange[]) =>
    (await table.writer.write(changes, options(schema))).revision
  const windows: number[] = []
  await write(1, put('a', '1'), put('b', '1'), put('c', '1'), put('x', '1'))
  await write(1, drop('x'))
  windows.push(await write(1, put('a', '2')))
  // Two of three rows of the first file end, so that it is written anew.
  await write(1, drop('b'), put('d', '1'))
  await write(1, drop('nobody'))
  await write(1, put('b', '2'))
  windows.push(await write(1, put('c', '2'), put('d', '2')))
  await write(1, put('e', '1'))
  await writeSchema(lake.objects, lake.bucket, widened(keyedSchema))
  await announceSchema(lake.on.log, 2)
  await write(2, put('e', '2', '9007199254740993'), drop('c'))
  windows.push(await write(1, put('f', 'an old writer')))
  windows.push(await write(2, drop('a'), put('b', '3', '7'), put('a2', '')))
  windows.push(await write(2, put('a', '3')))
  return recorded(lake, keyedSchema, table, windows)
}

/** Enough files for a compaction, with equal rows, none at all, a column that is added, and rows that end for being too old. */
async function appendLog(): Promise<Recorded> {
  const lake = await testLake(appendSchema)
  const table = lake.open('truth')
  const windows: number[] = []
  for (let window = 0; window < 9; window++) {
    if (window === 4) {
      await writeSchema(lake.objects, lake.bucket, widened(appendSchema))
      await announceSchema(lake.on.log, 2)
    }
    const { revision } = await table.writer.append([{ id: 'same' }, { id: 'same' }, {}], options())
    const more = window >= 4 ? { more: String(window) } : {}
    const last = await table.writer.append([{ text: `${window}`, ...more }], options(window >= 4 ? 2 : 1))
    windows.push(last.revision)
    // In the middle of a file, behind whole ones.
    if (window === 2) windows.push(await expireRows(lake.on.log, revision))
    // Behind the compaction of all.
    if (window === 8) windows.push(await expireRows(lake.on.log, windows[5] ?? 0))
  }
  return recorded(lake, appendSchema, table, windows)
}

const logs: Record<'keyed' | 'append-only', Recorded | undefined> = { keyed: undefined, 'append-only': undefined }
const open: TestLake[] = []
before(async () => {
  logs.keyed = await keyedLog()
  logs['append-only'] = await appendLog()
  open.push(logs.keyed.lake, logs['append-only'].lake)
})
after(async () => {
  for (const lake of open) await lake.close()
})

/** Archives all with a fault at the `at`-th request, another going on where one stands still; false when there was no such request. */
async function survives(from: Recorded, at: number, fault: StoreFault, cacheLost: boolean): Promise<boolean> {
  const name = randomUUID()
  const [first, second] = [join(from.lake.folder, `${name}-1`), join(from.lake.folder, `${name}-2`)]
  let still = () => {}
  const stands = new Promise<'still'>(resolve => {
    still = () => {
      if (!cacheLost) copyCache(first, second)
      resolve('still')
    }
  })
  const store = struckStore(from.lake.objects, number => number === at, fault, still)
  const running = archiving(from, withLake(from, name, store.objects), first)
  try {
    if ((await Promise.race([running.done, stands])) === 'still') {
      const successor = archiving(from, withLake(from, name), second)
      await successor.done
      await successor.stop()
      store.resume()
      if (fault.startsWith('paused')) await running.done
    }
    // Also one that comes to stand still only now, in what it does behind the last commit.
    store.resume()
    await store.release()
    await running.stop()
    await assertArchived(from, withLake(from, name))
    return store.requests() >= at
  } catch (cause) {
    throw new Error(`request ${at} ${fault}, cache ${cacheLost ? 'lost' : 'kept'}`, { cause })
  } finally {
    store.resume()
    await store.release()
    await running.stop()
  }
}

/** In a campaign every fault at every request, else one at each third. */
const whole = devConfig().testRuns !== undefined
const rounds = whole ? storeFaults.length : 1
const stride = whole ? 1 : 3

for (const kind of ['keyed', 'append-only'] as const) {
  for (let round = 0; round < rounds; round++) {
    test(`every change of a Table (${kind}) is in the lake once, whichever request goes wrong (${round + 1} of ${rounds})`, async () => {
      const from = logs[kind]
      assert.ok(from)
      let at = whole ? 0 : 1 - stride
      let ended = false
      const lane = async () => {
        while (!ended) {
          at += stride
          const number = Math.max(1, at)
          const fault = storeFaults[(Math.floor(number / stride) + round) % storeFaults.length] ?? 'unsent'
          // One that fails ends the others too.
          const struck = await survives(from, number, fault, number % 2 === 0).catch(error => {
            ended = true
            throw error
          })
          if (!struck) ended = true
        }
      }
      const lanes = await Promise.allSettled([lane(), lane(), lane()])
      for (const result of lanes) if (result.status === 'rejected') throw result.reason
      assert.ok(at > 40, `${at} requests`)
    })
  }

  test(`every change of a Table (${kind}) is in the lake once, though many requests fail`, async () => {
    const from = logs[kind]
    assert.ok(from)
    for (const fault of ['unsent', 'unanswered', 'late'] as const) {
      const name = randomUUID()
      const store = struckStore(from.lake.objects, number => number % 19 === 0, fault)
      const running = archiving(from, withLake(from, name, store.objects), join(from.lake.folder, name))
      await running.done
      await running.stop()
      await store.release()
      await assertArchived(from, withLake(from, name))
      assert.ok(running.failures.length > 1)
    }
  })

  test(`every change of a Table (${kind}) is in the lake once, though windows are read while a slow store fails`, async () => {
    const from = logs[kind]
    assert.ok(from)
    for (const fault of ['unsent', 'unanswered', 'late'] as const) {
      const name = randomUUID()
      const { objects } = from.lake
      const slow = {
        ...objects,
        put: async (...args: Parameters<typeof objects.put>) => sleep(30).then(() => objects.put(...args)),
      }
      const store = struckStore(slow, number => number % 23 === 0, fault)
      const running = archiving(from, withLake(from, name, store.objects), join(from.lake.folder, name), { pace: 10 })
      await running.done
      await running.stop()
      await store.release()
      await assertArchived(from, withLake(from, name))
      assert.ok(running.ahead() > 0)
      assert.ok(running.failures.length > 0)
    }
  })

  test(`every change of a Table (${kind}) is in the lake once, though two archivers are at it`, async () => {
    const from = logs[kind]
    assert.ok(from)
    for (let round = 0; round < 3; round++) {
      const name = randomUUID()
      const both: readonly Archiving[] = [1, 2].map(number =>
        archiving(from, withLake(from, name), join(from.lake.folder, `${name}-${number}`), {
          commitWindowMillis: 3 * number,
        }),
      )
      await Promise.all(both.map(({ done }) => done))
      await Promise.all(both.map(({ stop }) => stop()))
      await assertArchived(from, withLake(from, name))
      // Whose version is taken goes on from the other's state: that is no failure.
      assert.deepEqual(
        both.flatMap(({ failures }) => failures),
        [],
      )
    }
  })

  test(`every change of a Table (${kind}) is in the lake once, though it was taken over and the clock jumps`, async () => {
    const from = logs[kind]
    assert.ok(from)
    const name = randomUUID()
    const day = 86_400_000
    let calls = 0
    const now = () => Date.now() + (calls++ % 3) * day - day
    const half = from.windows[1] ?? 0
    const before = archiving(from, withLake(from, name), join(from.lake.folder, `${name}-1`), { now, until: half })
    await before.done
    // The same stream and epoch under the uid of another resource, while the earlier one's archiver is still at it.
    const other = withLake(from, name)
    const adopted = withParts(other, { log: { ...other.log, tableUid: randomUUID() } })
    const after = archiving(from, adopted, join(from.lake.folder, `${name}-2`), { now })
    await after.done
    await before.stop()
    await after.stop()
    await assertArchived(from, adopted)
  })
}
