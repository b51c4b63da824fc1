import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ObjectStore } from '../../../backends/object-store/store.ts'
import { BlastyError, isBlastyError } from '../../../base/errors.ts'
import { testStack } from '../../../devstack/testing.ts'
import fc, { runs } from '../../../test/random.ts'
import { patience } from '../../testing.ts'
import { cleanLog, vacuum } from './clean-up.ts'
import { readCommits } from './history.ts'
import { type DeltaLake, keyOfPath, leasesPrefix, listLog } from './lake.ts'
import { Lease, leasedState, lowestLease, raiseFloor } from './leases.ts'
import { readState } from './state.ts'
import { anotherLake, filled, present, type TestLake, testLake, timeOfVersion } from './testing.ts'

let own: TestLake
let template: DeltaLake
before(async () => {
  own = await testLake()
  template = await filled(own.lake)
})
after(() => own.close())

/** A lake as `filled` makes it, more quickly. */
async function copied(): Promise<DeltaLake> {
  const lake = anotherLake(own.lake)
  const { objects, bucket } = lake
  const keys = await Array.fromAsync(objects.list(bucket, `${template.root}/`), ({ key }) => key)
  await Promise.all(keys.map(key => objects.copy(bucket, key, `${lake.root}${key.slice(template.root.length)}`)))
  return lake
}

const expired = (error: unknown) => isBlastyError(error, 'LAKE_VERSION_EXPIRED')
const holder = { holder: 'test' }
/** The store and this machine have one clock here: all objects count as old, all versions as past the history. */
const everything = { olderThan: Date.now() + 3_600_000, leastAgeMillis: -60_000, keep: () => false }

async function clean(lake: DeltaLake, olderThan = everything.olderThan, leaseMillis?: number): Promise<void> {
  const state = await present(lake)
  await cleanLog(lake, state, leaseMillis === undefined ? { olderThan } : { olderThan, leaseMillis })
  await vacuum(lake, state, everything)
}

/** What a reader of a version and the changes behind it needs. */
async function readAll(lake: DeltaLake, version: number): Promise<void> {
  const state = await present(lake, version)
  const newest = (await listLog(lake)).commits.at(-1) ?? -1
  const paths = [...state.files.keys()]
  for await (const { version: at, actions } of readCommits(lake, version, newest)) {
    assert.ok(actions, `the commit of version ${at} is gone`)
    for (const action of actions) if ('cdc' in action) paths.push(action.cdc.path)
  }
  const heads = paths.map(path => lake.objects.head(lake.bucket, keyOfPath(lake, path)))
  for (const [index, head] of (await Promise.all(heads)).entries()) assert.ok(head, `${paths[index]} is gone`)
}

test('a leased version and all behind it are kept until the lease is given back', async () => {
  const lake = await copied()
  const lease = await Lease.take(lake, 2, holder)
  assert.equal(await lowestLease(lake), 2)
  await clean(lake)
  await readAll(lake, 2)
  const later = await Lease.take(lake, 4, holder)
  await lease.release()
  assert.equal(await lowestLease(lake), 4)
  await clean(lake)
  await readAll(lake, 4)
  await assert.rejects(readState(lake, 2), expired)
  await later.release()
  assert.equal(await lowestLease(lake), undefined)
  await clean(lake)
  assert.deepEqual((await listLog(lake)).commits, [6, 7])
  assert.deepEqual(
    await Array.fromAsync(lake.objects.list(lake.bucket, leasesPrefix(lake)), ({ key }) => key.split('/').at(-1)),
    [`floor-${'6'.padStart(20, '0')}`],
  )
})

test('a lease that comes too late is refused, and the oldest version that is kept is named', async () => {
  const lake = await copied()
  await clean(lake)
  await assert.rejects(Lease.take(lake, 5, holder), error => expired(error) && /\b6\b/.test(String(error)))
  assert.equal(await lowestLease(lake), undefined)
  const found = await leasedState(lake, 'test')
  assert.equal(found?.state.version, 7)
  await found?.lease.release()
  assert.equal(await leasedState(anotherLake(lake), 'test'), undefined)
})

test('who wants a version gone for good raises the floor and waits for those who read below it', async () => {
  const lake = await copied()
  const reader = await Lease.take(lake, 3, holder)
  await raiseFloor(lake, 5)
  await raiseFloor(lake, 4)
  await assert.rejects(Lease.take(lake, 4, holder), expired)
  assert.equal(await lowestLease(lake), 3)
  await reader.release()
  assert.equal(await lowestLease(lake), undefined)
})

test('a lease moves on with its reader', async () => {
  const lake = await copied()
  const lease = await Lease.take(lake, 1, { ...holder, moving: true, renewMillis: 0 })
  await lease.moveTo(5)
  assert.equal(await lowestLease(lake), 5)
  await lease.moveTo(4)
  assert.equal(await lowestLease(lake), 5)
  await lease.release()
  const slow = await Lease.take(lake, 1, { ...holder, moving: true })
  await slow.moveTo(5)
  assert.equal(await lowestLease(lake), 1)
  await slow.release()
})

test('a lease is renewed while its process lives, and lets go when that is killed', async () => {
  const lake = await copied()
  const { objectStore } = await testStack('objectStore')
  const program = `
    import { objectStore } from ${JSON.stringify(import.meta.resolve('../../../backends/object-store/store.ts'))}
    import { Lease } from ${JSON.stringify(import.meta.resolve('./leases.ts'))}
    const objects = objectStore(${JSON.stringify({ ...objectStore, pathStyle: true })})
    const lake = { objects, bucket: ${JSON.stringify(lake.bucket)}, root: ${JSON.stringify(lake.root)} }
    await Lease.take(lake, 2, { holder: 'one that dies', renewMillis: 50 })
    console.log('taken')
    setInterval(() => {}, 1000)`
  const reader = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(reader, 'exit')
  const modified = async () => {
    for await (const one of lake.objects.list(lake.bucket, `${leasesPrefix(lake)}lease-`)) return one.modified
    return assert.fail('there is no lease')
  }
  const signal = patience()
  try {
    await once(reader.stdout, 'data')
    const first = await modified()
    while ((await modified()) === first) await sleep(50, undefined, { signal })
    assert.equal(await lowestLease(lake), 2)
  } finally {
    reader.kill('SIGKILL')
    await ended
  }
  while ((await lowestLease(lake, 500)) !== undefined) await sleep(100, undefined, { signal })
  await clean(lake, everything.olderThan, 500)
  await assert.rejects(readState(lake, 2), expired)
})

/** The store as its clock would show it after a jump: what was put before keeps its time. */
function jumpingStore(objects: ObjectStore, by: () => number): ObjectStore {
  return {
    ...objects,
    list: async function* (...args) {
      for await (const one of objects.list(...args))
        yield one.key.endsWith('/clock') ? { ...one, modified: one.modified + by() } : one
    },
  }
}

test('a reader who stood still, or whose lease a jump of the clock ended, is told so and does not take the lake for damaged', async () => {
  const lake = await copied()
  const lease = await Lease.take(lake, 2, holder)
  let jump = -3_600_000
  const jumped = { ...lake, objects: jumpingStore(lake.objects, () => jump) }
  await clean(jumped)
  await readAll(lake, 2)
  jump = 3_600_000
  await clean(jumped)
  assert.equal(await lake.objects.head(lake.bucket, keyOfPath(lake, 'part-2.parquet')), undefined)
  const error = await readState(lake, 2).catch((error: unknown) => error)
  assert.ok(expired(error))
  const gone = new BlastyError('LAKE_CORRUPT', { lake: 'x', problem: 'part-2.parquet is missing' })
  const explained = await lease.explain(gone)
  assert.ok(expired(explained) && explained instanceof Error && explained.cause === gone)
  // What is kept and is missing all the same is damage.
  assert.equal(await lease.explain(gone, 7), gone)
  await lease.release()
})

type Gate = { readonly lake: DeltaLake; readonly step: () => Promise<boolean> }

/** Work whose requests are let through one at a time. `step` lets one through, and resolves when the next one waits; false at the end. */
function gated(lake: DeltaLake, work: (lake: DeltaLake) => Promise<void>): Gate & { readonly done: Promise<void> } {
  let pass = Promise.withResolvers<void>()
  let arrived = Promise.withResolvers<boolean>()
  const asked = async <T>(request: () => Promise<T>): Promise<T> => {
    const gate = pass
    arrived.resolve(true)
    await gate.promise
    return request()
  }
  const { objects } = lake
  const slow: ObjectStore = {
    ...objects,
    get: (...args) => asked(() => objects.get(...args)),
    put: (...args) => asked(() => objects.put(...args)),
    head: (...args) => asked(() => objects.head(...args)),
    download: (...args) => asked(() => objects.download(...args)),
    remove: (...args) => asked(() => objects.remove(...args)),
    list: async function* (...args) {
      yield* await asked(() => Array.fromAsync(objects.list(...args)))
    },
  }
  const done = work({ ...lake, objects: slow }).finally(() => arrived.resolve(false))
  done.catch(() => {})
  return {
    lake,
    done,
    step: async () => {
      if (!(await arrived.promise)) return false
      const open = pass
      pass = Promise.withResolvers<void>()
      arrived = Promise.withResolvers<boolean>()
      open.resolve()
      return arrived.promise
    },
  }
}

test('however readers and clean-ups interleave, nothing of a leased version is removed, and no one waits for ever', async () => {
  let taken = 0
  let refused = 0
  const reader = (version: number | undefined, moves: boolean) => async (lake: DeltaLake) => {
    const lease =
      version === undefined
        ? (await leasedState(lake, 'test'))?.lease
        : await Lease.take(lake, version, { ...holder, renewMillis: 0, moving: true }).catch(error => {
            if (!expired(error)) throw error
            refused++
            return undefined
          })
    if (lease === undefined) return
    taken++
    await readAll(lake, version ?? 7)
    if (moves) await lease.moveTo(6)
    await readAll(lake, moves ? 6 : (version ?? 7))
    await lease.release()
  }
  const cleaner = (olderThan: number) => async (lake: DeltaLake) => {
    // One that another overtakes finds things missing, and removes nothing.
    await clean(lake, olderThan).catch(error => {
      if (!isBlastyError(error, 'LAKE_CORRUPT', 'LAKE_VERSION_EXPIRED')) throw error
    })
  }
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.record({ version: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined }), moves: fc.boolean() }),
          fc.record({ cleans: fc.constantFrom(timeOfVersion(4), timeOfVersion(7)) }),
        ),
        { minLength: 2, maxLength: 4 },
      ),
      fc.infiniteStream(fc.nat({ max: 11 })),
      fc.infiniteStream(fc.integer({ min: 1, max: 12 })),
      async (actors, turns, lengths) => {
        const lake = await copied()
        let waiting = actors.map(actor =>
          gated(lake, 'cleans' in actor ? cleaner(actor.cleans) : reader(actor.version, actor.moves)),
        )
        const all = waiting.map(({ done }) => done)
        while (waiting.length > 0) {
          const chosen = waiting[(turns.next().value ?? 0) % waiting.length]
          // One that has the turn for a while: where another stands still for long is where things go wrong.
          for (let left = lengths.next().value ?? 1; left > 0; left--) {
            if (await chosen?.step()) continue
            waiting = waiting.filter(one => one !== chosen)
            break
          }
        }
        await Promise.all(all)
        await clean(lake)
        assert.deepEqual((await listLog(lake)).commits, [6, 7])
      },
    ),
    { numRuns: runs(30) },
  )
  assert.ok(taken > 0 && refused > 0)
})
