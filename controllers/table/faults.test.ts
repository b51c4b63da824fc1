import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { ObjectStore } from '../../backends/object-store/store.ts'
import { publish } from '../../backends/streams/publish.ts'
import { isBlastyError } from '../../base/errors.ts'
import type { Table } from '../../crds/types.gen.ts'
import { testStack, uniqueName } from '../../devstack/testing.ts'
import type { Backends } from '../backends.ts'
import { externalName } from '../names.ts'
import { Reported } from '../reported.ts'
import { type Bench, openBench } from '../testing.ts'
import { actOnTable } from './act.ts'
import { deleteData } from './clean-up.ts'
import { lookAtTable, observedOf, observeParts, type TableTarget } from './observe.ts'
import { planTable } from './plan.ts'
import { isTrinoAction } from './trino.ts'

let bench: Bench
before(async () => {
  bench = await openBench(await testStack('kubernetes', 'nats', 'objectStore'))
})
after(() => bench?.close())

class Killed extends Error {}

/** Ends the operator at the n-th request to a backend, before it is made or after. */
class Killer {
  calls = 0
  readonly #at: number
  readonly #after: boolean

  constructor(at: number, after: boolean) {
    this.#at = at
    this.#after = after
  }

  async call<T>(make: () => Promise<T>): Promise<T> {
    this.calls += 1
    if (this.calls !== this.#at) return make()
    if (this.#after) await make().catch(() => undefined) // whatever it answered, nobody hears it
    throw new Killed()
  }
}

function killing<T extends object>(target: T, killer: Killer): T {
  return new Proxy(target, {
    get: (object, name) => {
      const value: unknown = Reflect.get(object, name)
      if (typeof value !== 'function' || name === 'list') return value
      return (...args: unknown[]) => killer.call(async () => Reflect.apply(value, object, args))
    },
  })
}

function backends(killer: Killer): Backends {
  const { streams, search, installation } = bench
  const objects: ObjectStore = killing(bench.objects, killer)
  const connection = new Proxy(streams.connection, {
    get: (object, name) => {
      const value: unknown = Reflect.get(object, name)
      if (typeof value !== 'function') return value
      const call = (...args: unknown[]): unknown => Reflect.apply(value, object, args)
      return name === 'request' ? (...args: unknown[]) => killer.call(async () => call(...args)) : call
    },
  })
  const admin = new Proxy(streams.admin, {
    get: (object, name) => (name === 'streams' ? killing(object.streams, killer) : Reflect.get(object, name)),
  })
  const reported = new Reported({ current: () => [], onChange: () => () => undefined }, () => undefined)
  return { objects, search, installation, streams: { ...streams, connection, admin }, reported }
}

function newTable(): { table: Table; target: TableTarget } {
  const name = uniqueName('t')
  const table: Table = {
    apiVersion: 'blasty.dev/v1alpha1',
    kind: 'Table',
    metadata: {
      name,
      namespace: bench.namespace,
      uid: `uid-${name}`,
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: '',
    },
    spec: {
      columns: [{ name: 'id', type: 'String', required: false }],
      log: { retentionSeconds: 604_800 },
      lake: { commitWindowSeconds: 30, historySeconds: 2_592_000 },
      query: { engine: 'Auto' },
      driftPolicy: 'Correct',
      deletionPolicy: 'Delete',
      deleteAfterSeconds: 0,
    },
    status: { observedGeneration: -1 },
  }
  const identity = { installation: bench.installation, kind: 'Table', namespace: bench.namespace, name } as const
  const external = externalName(identity)
  const mark = { ...identity, namespaceUid: 'ns', uid: table.metadata.uid }
  const adoption = { asked: false, namespaceUids: [] }
  const settings = { maxBytes: 1_048_576, retentionSeconds: 604_800, replicas: 1 }
  return { table, target: { className: 'c', bucket: external, stream: external, mark, adoption, settings } }
}

/** What the runner does: look, plan and act until nothing is left to do. */
async function converge(table: Table, target: TableTarget, killer: Killer): Promise<void> {
  const connected = backends(killer)
  for (let round = 0; round < 5; round++) {
    const look = await lookAtTable(table, target, connected, {})
    const observed = observedOf(table, target, look, connected, progress => progress)
    const plan = planTable(table, observed)
    assert.ok(!('blocked' in plan), JSON.stringify(plan))
    if (plan.length === 0) return
    for (const action of plan)
      if (!isTrinoAction(action)) await actOnTable(action, table, target, connected, () => undefined)
  }
  assert.fail('it does not converge')
}

/** The message of a request that got lost; every other failure is one. */
function expectKilled(error: unknown): void {
  const cause = isBlastyError(error) ? error.cause : error
  const lost = cause instanceof Killed || (isBlastyError(error, 'OUTCOME_UNKNOWN') && error.cause instanceof Error)
  assert.ok(lost, String(error))
}

test('an operator killed at any request leaves a Table that the next one finishes', async () => {
  const counting = new Killer(0, false)
  const first = newTable()
  await converge(first.table, first.target, counting)
  assert.ok(counting.calls > 8, `${counting.calls} requests`)
  await deleteData(first.table, first.target, backends(new Killer(0, false)), Date.now())
  for (let at = 1; at <= counting.calls; at++) {
    for (const made of [false, true]) {
      const { table, target } = newTable()
      await converge(table, target, new Killer(at, made)).then(
        () => assert.fail(`it was not killed at ${at} ${made} of ${counting.calls}`),
        expectKilled,
      )
      await converge(table, target, new Killer(0, false))
      const { state } = await bench.streams.admin.streams.info(target.stream)
      assert.equal(state.messages, 1, `killed ${made ? 'after' : 'before'} request ${at}: the schema is announced once`)
      await deleteData(table, target, backends(new Killer(0, false)), Date.now())
    }
  }
})

test('an operator killed at any request of a deletion leaves nothing that the next one does not remove', async () => {
  const remove = async (table: Table, target: TableTarget, killer: Killer) => {
    while ((await deleteData(table, target, backends(killer), Date.now())) !== undefined);
  }
  const prepare = async () => {
    const fresh = newTable()
    await converge(fresh.table, fresh.target, new Killer(0, false))
    await bench.objects.put(fresh.target.bucket, 'blobs/1', Buffer.from('x'))
    const subject = `${fresh.target.stream}.a`
    await publish(bench.streams.connection, [{ subject, data: Buffer.from('[]') }], 5_000)
    return fresh
  }
  const counting = new Killer(0, false)
  const first = await prepare()
  await remove(first.table, first.target, counting)
  assert.ok(counting.calls > 6, `${counting.calls} requests`)
  for (let at = 1; at <= counting.calls; at++) {
    for (const made of [false, true]) {
      const { table, target } = await prepare()
      await remove(table, target, new Killer(at, made)).then(() => assert.fail('it was not killed'), expectKilled)
      await remove(table, target, new Killer(0, false))
      const left = await observeParts(target, backends(new Killer(0, false)))
      assert.deepEqual(left, { bucket: undefined, stream: undefined }, `killed at request ${at}`)
    }
  }
})
