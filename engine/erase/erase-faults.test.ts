/** An erasing worker of which a request to the store or the streams server goes wrong, in each way, and that is killed at each. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { devConfig } from '../../devstack/config.ts'
import { testLake } from '../lake/testing.ts'
import { type StoreFault, storeFaults, struckStore } from '../lake/testing-store.ts'
import { pendingErasures } from '../log/erasures.ts'
import { patience } from '../testing.ts'
import { eraseOnce } from './erase.ts'
import { readProof } from './proof.ts'
import { eraseAll, foundInBucket, foundInStream, nothingHangs, personSchema, writing } from './testing.ts'

/** Erases with a fault at the `at`-th request, another going on where one stands still; false when there was no such request. */
async function survives(at: number, fault: StoreFault): Promise<boolean> {
  const lake = await testLake(personSchema, () => {})
  const stop = new AbortController()
  let still = () => {}
  const stands = new Promise<'still'>(resolve => {
    still = () => resolve('still')
  })
  const store = struckStore(lake.objects, number => number === at, fault, still)
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

    const struck = lake.open('b', store.objects)
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
    throw new Error(`request ${at} ${fault}`, { cause })
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
        const met = await survives(number, fault).catch(error => {
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
