/** Gives a Subscription its stream and consumer; a worker fills the stream. */

import { isBlastyError } from '../../base/errors.ts'
import type { Subscription } from '../../crds/types.gen.ts'
import { subscriptions, subscriptionsByTable, tables } from '../../directory/kinds.ts'
import { parsePredicate } from '../../engine/predicate/parse.ts'
import type { TableSchema } from '../../engine/schema/schema.ts'
import {
  type Blocked,
  type Controller,
  defineController,
  keyOf,
  mapped,
  refused,
  StalledError,
  waiting,
} from '../../operator/mod.ts'
import type { BackendPool, Backends } from '../backends.ts'
import { connectDependent, type DependentTarget, type MadeTable, madeTable, tableMade } from '../dependents.ts'
import { judge } from '../marks.ts'
import type { ProgressFold } from '../progress.ts'
import { onlyServed, servesDependent } from '../served.ts'
import { createStream, lookAtStream, removeStream, setConsumer, updateStream } from '../streams.ts'
import { observeSubscription } from './observe.ts'
import { planSubscription, subscriptionStatus } from './plan.ts'

type Connection = { readonly target: DependentTarget; readonly backends: Backends; readonly made: MadeTable | Blocked }

export function subscriptionController(options: {
  readonly pool: BackendPool
  readonly progress: ProgressFold
  readonly controllerName: string
}): Controller {
  const { pool, progress, controllerName } = options
  const controller = defineController({
    kind: subscriptions,
    watches: [
      mapped(tables, (table, read) => read(subscriptions).by(subscriptionsByTable, keyOf(table)).map(keyOf), {
        when: tableMade,
      }),
    ],
    conditions: ['Provisioned', 'Running'],
    finalizer: {
      name: 'blasty.dev/subscription',
      cleanUp: async (subscription, connect: () => Promise<Connection>) => {
        const { target, backends } = await connect()
        const blocked = await removeEvents(target, backends)
        if (blocked === undefined) progress.forget(subscription.metadata.uid)
        return blocked
      },
      holdsWhilePaused: () => true,
    },
    accept: async (subscription, { read }) => {
      const made = madeTable(subscription, read)
      return 'blocked' in made ? made : await judgeWhere(subscription, made.schema)
    },
    connect: async (subscription, context): Promise<Connection> => {
      const recorded = subscription.status?.external?.stream
      const made = madeTable(subscription, context.read)
      return { ...(await connectDependent('Subscription', subscription, recorded, pool, context)), made }
    },
    observe: (subscription, { target, backends, made }, { now }) => {
      if ('blocked' in made) throw new StalledError(made.reason, made.message)
      return observeSubscription(subscription, made, target, backends, (current, urgent) =>
        progress.fold(subscription.metadata.uid, subscription.status?.progress, current, now, urgent),
      )
    },
    plan: planSubscription,
    act: async (action, _, { target, backends: { streams } }) => {
      switch (action.type) {
        case 'CreateStream':
          return createStream(streams, action.config)
        case 'UpdateStream':
          return updateStream(streams, action.seen, action.config)
        case 'SetConsumer':
          return setConsumer(streams, target.name, action.config, action.exists)
      }
    },
    status: subscriptionStatus,
  })
  return onlyServed(controller, subscriptions, (it, read) => servesDependent(it, controllerName, read))
}

/** Parses the `where` against the schema in force; a refusal names the construct and its position. */
export async function judgeWhere(subscription: Subscription, schema: TableSchema): Promise<Blocked | undefined> {
  const { where } = subscription.spec
  if (where === undefined) return undefined
  try {
    await parsePredicate(where, schema)
    return undefined
  } catch (error) {
    if (isBlastyError(error, 'INVALID_PREDICATE')) return refused('InvalidWhere', error.message)
    throw error
  }
}

/** Removes the stream if it is ours. Undefined when it is gone. */
async function removeEvents(target: DependentTarget, { streams }: Backends): Promise<Blocked | undefined> {
  const ours = async () => {
    const seen = await lookAtStream(streams, target.name)
    const nothing = { asked: false, namespaceUids: [] }
    return seen !== undefined && judge(`stream ${target.name}`, seen.found, target.mark, nothing).type === 'ours'
  }
  if (!(await ours())) return undefined
  await removeStream(streams, target.name)
  return (await ours())
    ? waiting('Deleting', 'the server has not confirmed the deletion yet', { afterSeconds: 1 })
    : undefined
}
