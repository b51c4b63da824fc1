/** Makes the bucket, the change log and the schema in force of a Table match its spec. */

import { reason } from '../../backends/streams/connect.ts'
import type { BackendClass, Table } from '../../crds/types.gen.ts'
import { backendClasses, indexes, namespaces, subscriptions, tables } from '../../directory/kinds.ts'
import {
  type Context,
  type Controller,
  defineController,
  type KubeObject,
  keyFor,
  keyOf,
  mapped,
  RetryError,
  StalledError,
  specChanged,
} from '../../operator/mod.ts'
import type { BackendPool, Backends } from '../backends.ts'
import { classOf, judgeClass } from '../classes.ts'
import type { ProgressFold } from '../progress.ts'
import { onlyServed, servesTable } from '../served.ts'
import { actOnTable } from './act.ts'
import { deleteData, heldBy } from './clean-up.ts'
import { TableMemory } from './memory.ts'
import { lookAtTable, observedOf, type TableTarget, tableTarget } from './observe.ts'
import { planTable } from './plan.ts'
import { tableStatus } from './status.ts'
import { forgetInTrino, isTrinoAction, tellTrino, trinoOutdated } from './trino.ts'

type Connection = { readonly target: TableTarget; readonly backends: Backends }

export function tableController(options: {
  readonly pool: BackendPool
  readonly progress: ProgressFold
  readonly controllerName: string
  /** How long one look outside stands for another, in milliseconds. */
  readonly freshMillis: number
}): Controller {
  const { pool, progress, controllerName, freshMillis } = options
  const memory = new TableMemory(freshMillis)
  const controller = defineController({
    kind: tables,
    watches: [
      mapped(backendClasses, (_, read) => read(tables).list().map(keyOf), { when: specOrFitnessChanged }),
      mapped(namespaces, (namespace, read) => read(tables).list(namespace.metadata.name).map(keyOf), {
        when: specChanged,
      }),
      // Only their coming and going matters, to a Table that is being deleted.
      mapped(indexes, index => [keyFor(index.spec.tableRef.name, index.metadata.namespace)], { when: deletionChanged }),
      mapped(subscriptions, it => [keyFor(it.spec.tableRef.name, it.metadata.namespace)], { when: deletionChanged }),
    ],
    conditions: ['BucketReady', 'LogReady', 'Served', 'LogHasRoom', 'LakeReady'],
    finalizer: {
      name: 'blasty.dev/table',
      cleanUp: async (table, connect: () => Promise<Connection>, context) => {
        const held = heldBy(table, context)
        if (held !== undefined) return held
        if (table.spec.deletionPolicy === 'Delete') {
          const { target, backends } = await connect()
          const blocked = await deleteData(table, target, backends, context.now)
          if (blocked !== undefined) return blocked
        }
        if (table.status?.external?.trino !== undefined) await letTrinoForget(table, connect, context)
        progress.forget(table.metadata.uid)
        memory.forget(table.metadata.uid)
        return undefined
      },
      holdsWhilePaused: table => table.spec.deletionPolicy === 'Delete',
    },
    accept: (table, { read }) => judgeClass(table, read),
    connect: (table, context) => connectTable(table, pool, context),
    observe: async (table, { target, backends }, { now }) => {
      const { uid, generation } = table.metadata
      const held = memory.fresh(uid, generation, now)
      const fresh = held !== undefined && trinoOutdated(table, held.trino, backends) ? undefined : held
      const seen = fresh ?? (await lookAtTable(table, target, backends, memory.hints(uid)))
      const failure = seen.trino?.kind === 'known' ? memory.trinoFailure(uid, now) : undefined
      const look = failure === undefined ? seen : { ...seen, trino: { kind: 'failed' as const, problem: failure } }
      const observed = observedOf(table, target, look, backends, (current, urgent) =>
        progress.fold(uid, table.status?.progress, current, now, urgent),
      )
      const plan = planTable(table, observed)
      if (fresh === undefined && !('blocked' in plan) && plan.length === 0) memory.saw(uid, generation, seen, now)
      return observed
    },
    plan: planTable,
    act: async (action, table, { target, backends }, { event, now }) => {
      const { uid } = table.metadata
      memory.did(uid)
      if (isTrinoAction(action)) {
        // Nobody waits for it but Trino's users: a failure is told in the condition, and the Table is ready without.
        return memory.trinoSaid(uid, await tellTrino(action, table, backends), now)
      }
      await actOnTable(action, table, target, backends, event)
      if (action.type === 'WriteSchema') memory.did(uid, { written: action.schema.number })
      if (action.type === 'AnnounceSchemas') memory.did(uid, { announced: action.to })
    },
    status: tableStatus,
  })
  return onlyServed(controller, tables, (table, read) => servesTable(table, controllerName, read))
}

/** A Table whose data stays goes without Trino if need be: what is left there names what is left in the bucket. */
async function letTrinoForget(table: Table, connect: () => Promise<Connection>, { event }: Context): Promise<void> {
  try {
    const { backends } = await connect()
    await forgetInTrino(table, backends)
  } catch (error) {
    if (table.spec.deletionPolicy === 'Delete') throw error
    const note = `Trino still knows the Table at ${table.status?.external?.trino}: ${reason(error)}`
    event({ type: 'Warning', reason: 'TrinoNotTold', action: 'Delete', note })
  }
}

async function connectTable(table: Table, pool: BackendPool, { read }: Context): Promise<Connection> {
  const found = classOf(table, read)
  if (found === undefined) {
    const message = 'the BackendClass of the Table does not exist, so its data cannot be reached; make the class again'
    throw new StalledError('ClassNotFound', message)
  }
  const namespace = read(namespaces).get(keyFor(table.metadata.namespace))
  if (namespace === undefined) throw new RetryError('NamespaceNotSeen', 'the namespace is not in the cache yet')
  const backends = await pool.acquire(found)
  return { target: tableTarget(table, found, namespace.metadata.uid), backends }
}

function specOrFitnessChanged(found: BackendClass, old: BackendClass): boolean {
  const fitness = ({ status }: BackendClass) => JSON.stringify(status?.capabilities)
  return specChanged(found, old) || fitness(found) !== fitness(old)
}

function deletionChanged(object: KubeObject, old: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== old.metadata.deletionTimestamp
}
