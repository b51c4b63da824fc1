/** An erasing worker of which a request to the store or the streams server goes wrong, in each way, and that is killed at each. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ObjectStore } from '../../backends/object-store/store.ts'
import type { Streams } from '../../backends/streams/connect.ts'
import { devConfig } from '../../devstack/config.ts'
import { testLake } from '../lake/testing.ts'
import { withParts } from '../lake/testing-faults.ts'
import { type StoreFault, storeFaults, struckStore } from '../lake/testing-store.ts'
import { pendingErasures } from '../log/erasures.ts'
import { patience } from '../testing.ts'
import { eraseOnce } from './erase.ts'
import { readProof } from './proof.ts'
import { eraseAll, foundInBucket, foundInStream, nothingHangs, personSchema, writing } from './testing.ts'

/** Which requests of the erasing worker are struck: those to the object store, or those that erase records of the log. */
type Server = 'store' | 'log'

/** Streams of which the erasing of records goes through `around`. */
function aroundErasing(streams: Streams, around: <T>(call: () => Promise<T>) => Promise<T>): Streams {
  const messages = new Proxy(streams.admin.streams, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (name === 'deleteMessage') {
        return (...args: Parameters<typeof target.deleteMessage>) => around(() => target.deleteMessage(...args))
      }
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const admin = new Proxy(streams.admin, {
    get(target, name) {
      if (name === 'streams') return messages
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { ...streams, admin }
}

/** Erases with a fault at the `at`-th request, another going on where one stands still; false when there was no such request. */
async function survives(server: Server, at: number, fault: StoreFault): Promise<boolean> {
  const lake = await testLake(personSchema, () => {})
  const stop = new AbortController()
  let still = () => {}
  const stands = new Promise<'still'>(resolve => {
    still = () => resolve('still')
  })
  // Any request can be struck as one to the store: this one does what it is given.
  const given: { head: ObjectStore['head'] } = { head: async () => undefined }
  const requests =
    server === 'store' ? lake.objects : { ...lake.objects, head: (...args: [string, string]) => given.head(...args) }
  const store = struckStore(requests, number => number === at, fault, still)
  const streams = aroundErasing(lake.on.streams, async call => {
    let answer: { readonly value: Awaited<ReturnType<typeof call>> } | undefined
    given.head = async () => {
      answer = { value: await call() }
      return undefined
    }
    await store.objects.head('', '')
    if (answer === undefined) throw new Error('it was not asked')
    return answer.value
  })
  try {
    const table = lake.open('a')
    const archiver = lake.archiver(table, 'lake-a')
    const marker = `marker${randomUUID()}`
    const needles = [Buffer.from(marker), Buffer.from(table.schemas.encodeKey({ id: 'person' }).toString('base64url'))]
    const put = (id: string, title: string) =>
      ({ op: 'put', row: table.schemas.codec.row({ id, title }, 'row') }) as const
    for (const n of [1, 2]) {
      const changes = [put('person', `${marker} ${n}`), put(`other ${n}`, 'kept'), put('changed', String(n))]
      await archiver.reached((await table.writer.write(changes, writing())).revision)
    }
    const before = await lake.rows(table)
    const { revision } = await table.writer.erase('e1', [{ id: 'person' }], writing())
    await archiver.reached(revision)

    const plain = lake.open('b', server === 'store' ? store.objects : lake.objects)
    const struck = server === 'store' ? plain : withParts(plain, { log: { ...plain.log, streams } })
    const scratch = join(lake.folder, 'struck')
    const options = { table: struck, scratch, dependents: nothingHangs, settleMillis: 1, signal: stop.signal }
    // What fails is tried again, as the job in a worker does.
    const running = (async () => {
      for (let left = 1; left > 0 && !stop.signal.aborted; )
        left = await eraseOnce(options).catch(error => {
          if (patience().aborted) throw error
          return 1
        })
    })()
    await Promise.race([running, stands])
    await eraseAll(table, join(lake.folder, 'other'))
    store.resume()
    if (fault.startsWith('paused')) await running
    stop.abort()
    await store.release()
    await running
    // A request that came late may have put an older proof.
    await eraseAll(table, join(lake.folder, 'other'))

    assert.deepEqual(await pendingErasures(table.log), [])
    assert.deepEqual(await foundInBucket(lake.objects, lake.bucket, needles), [])
    assert.deepEqual(await foundInStream(lake.on.streams, table.log.stream, needles), [])
    assert.ok((await readProof(table.lake, 'e1'))?.completedTime)
    const { revision: last } = await table.writer.write([put('new', '1')], writing())
    await archiver.reached(last)
    const after = await lake.rows(table)
    const kept = (rows: typeof before) =>
      rows.rows.flatMap((row, index) =>
        ['person', 'new'].includes(String(row.id)) ? [] : [[rows.revisions[index], row]],
      )
    assert.deepEqual(kept(after), kept(before))
    return store.requests() >= at
  } catch (cause) {
    throw new Error(`request ${at} to the ${server}, ${fault}`, { cause })
  } finally {
    stop.abort()
    store.resume()
    await store.release()
    await lake.close()
  }
}

/** In a campaign every fault at every request, else one at each fifth. */
const whole = devConfig().testRuns !== undefined
const rounds = whole ? storeFaults.length : 1
const stride = whole ? 1 : 5

for (let round = 0; round < rounds; round++) {
  test(`an erasure ends, and nothing else is lost, whichever request to the store goes wrong (${round + 1} of ${rounds})`, async () => {
    let at = 1 - stride
    let ended = false
    const lane = async () => {
      while (!ended) {
        at += stride
        const number = Math.max(1, at)
        const fault = storeFaults[(Math.floor(number / stride) + round) % storeFaults.length] ?? 'unsent'
        const met = await survives('store', number, fault).catch(error => {
          ended = true // One that fails ends the other too.
          throw error
        })
        if (!met) ended = true
      }
    }
    const lanes = await Promise.allSettled([lane(), lane()])
    for (const result of lanes) if (result.status === 'rejected') throw result.reason
    assert.ok(at > 40, `${at} requests`)
  })
}

test('an erasure ends, and nothing else is lost, whichever erasing of a record goes wrong', async () => {
  let at = 0
  for (const fault of storeFaults) assert.ok(await survives('log', 1 + (at++ % 4), fault), fault)
})
