/** Archivers on a store that overwrites what it was asked not to: versions are claimed, and each row is in the lake once. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { claimingStore } from '../../backends/object-store/claiming-store.ts'
import { natsClaims, type StoreClaims } from '../../backends/object-store/claims.ts'
import { type ObjectStore, objectStore } from '../../backends/object-store/store.ts'
import { type OverwritingProxy, overwritingProxy } from '../../backends/object-store/testing-overwriting.ts'
import { testStack } from '../../devstack/testing.ts'
import type { Table } from '../table.ts'
import { filmSchema, patience } from '../testing.ts'
import { readCommits } from './delta/history.ts'
import { commitKey } from './delta/lake.ts'
import { readState } from './delta/state.ts'
import { appIdOf } from './files.ts'
import { type TestLake, testLake } from './testing.ts'

let proxy: OverwritingProxy
let plain: ObjectStore
before(async () => {
  const { objectStore: store } = await testStack('objectStore', 'nats')
  proxy = await overwritingProxy({ ...store, pathStyle: true })
  plain = objectStore({ ...store, pathStyle: true, endpoint: proxy.endpoint })
})
after(() => proxy[Symbol.asyncDispose]())

type Scene = {
  readonly lake: TestLake
  readonly claims: StoreClaims
  /** Writes a batch; returns the revision. */
  readonly write: (round: number) => Promise<number>
  readonly writer: Table
}

async function scene(run: (scene: Scene) => Promise<void>): Promise<void> {
  const lake = await testLake(filmSchema)
  const name = `claims_${randomUUID()}`
  try {
    const writer = lake.open('writer')
    const write = async (round: number) => {
      const changes = [round, round + 1].map(n => ({ op: 'put', row: { id: `film ${n}`, year: round } }) as const)
      const options = { principal: 'p', schema: 1, signal: patience() }
      return (await writer.writer.write(changes, options)).revision
    }
    await run({ lake, claims: natsClaims(lake.on.streams, name, 1), write, writer })
  } finally {
    await lake.on.streams.admin.streams.delete(`KV_${name}`).catch(() => false)
    await lake.close()
  }
}

/** Each version leads further than the one before it, and the rows are the last that were written of each key. */
async function isWhole({ lake, writer }: Scene, rounds: number): Promise<void> {
  const { rows } = await lake.rows(writer)
  const expected = Array.from({ length: rounds + 1 }, (_, n) => [`film ${n}`, Math.min(n, rounds - 1)])
  const byKey = (a: readonly unknown[], b: readonly unknown[]) => (String(a[0]) < String(b[0]) ? -1 : 1)
  assert.deepEqual(rows.map(({ id, year }) => [id, year]).sort(byKey), expected.sort(byKey))
  const state = await readState(writer.lake)
  let reached = 0
  for await (const { version, actions } of readCommits(writer.lake, 1, state?.version ?? 0)) {
    assert.ok(actions, `version ${version} is missing`)
    for (const action of actions) {
      if (!('txn' in action)) continue
      assert.equal(action.txn.appId, appIdOf(writer))
      assert.ok(action.txn.version > reached, `version ${version} leads to ${action.txn.version} behind ${reached}`)
      reached = action.txn.version
    }
  }
}

test('two archivers at once put each row into the lake once', async () => {
  await scene(async on => {
    const { lake, claims, write } = on
    const archivers = ['a', 'b'].map(name =>
      lake.archiver(lake.open(name, claimingStore(plain, claims)), `lake-${name}`, { commitWindowMillis: 1 }),
    )
    const before = proxy.overwrites()
    let last = 0
    for (let round = 0; round < 12; round++) last = await write(round)
    await Promise.all(archivers.map(archiver => archiver.reached(last)))
    await isWhole(on, 12)
    assert.ok(proxy.overwrites() > before)
  })
})

test('what an archiver claimed and died over is put by the next, once', async () => {
  for (const fatal of [0, 1]) {
    await scene(async on => {
      const { lake, claims, write } = on
      const died = Promise.withResolvers<void>()
      const buried = Promise.withResolvers<never>()
      buried.promise.catch(() => {})
      const dying: StoreClaims = {
        ...claims,
        versions: bucket => {
          const versions = claims.versions(bucket)
          return {
            ...versions,
            claim: async (version, hash) => {
              const answer = await versions.claim(version, hash)
              if (version !== fatal) return answer
              died.resolve()
              return buried.promise
            },
          }
        },
      }
      lake.archiver(lake.open('a', claimingStore(plain, dying)), 'lake-a')
      try {
        let last = 0
        for (let round = 0; round < 4; round++) last = await write(round)
        await died.promise
        await lake.archiver(lake.open('b', claimingStore(plain, claims)), 'lake-b').reached(last)
        await isWhole(on, 4)
      } finally {
        buried.reject(new Error('the process is gone'))
      }
    })
  }
})

test('an archiver that stood still before it put a version does no harm to what others put meanwhile', async () => {
  for (const version of [0, 1, 2]) {
    await scene(async on => {
      const { lake, claims, write, writer } = on
      const still = Promise.withResolvers<void>()
      const resumed = Promise.withResolvers<void>()
      const pausing: ObjectStore = {
        ...plain,
        until: () => pausing,
        put: async (bucket, key, ...rest) => {
          if (key === commitKey(writer.lake, version)) {
            still.resolve()
            await resumed.promise
          }
          return plain.put(bucket, key, ...rest)
        },
      }
      const paused = lake.archiver(lake.open('a', claimingStore(pausing, claims)), 'lake-a')
      try {
        const first = await write(0)
        if (version === 2) await paused.reached(first)
        let last = await write(1)
        await still.promise
        const other = lake.archiver(lake.open('b', claimingStore(plain, claims)), 'lake-b')
        for (let round = 2; round < 5; round++) {
          last = await write(round)
          await other.reached(last)
        }
        resumed.resolve()
        await paused.reached(last)
        await isWhole(on, 5)
      } finally {
        resumed.resolve()
      }
    })
  }
})
