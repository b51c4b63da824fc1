/** Gives an Index its search index with settings; a worker fills it and keeps it true. */

import type { Index } from '../../crds/types.gen.ts'
import { indexes, indexesByTable, tables } from '../../directory/kinds.ts'
import { idAttribute, indexProblems } from '../../engine/indexing/layout.ts'
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
import { observeIndex } from './observe.ts'
import { lookAtOwner, putOwner, removeOwner } from './owners.ts'
import { type IndexAction, indexStatus, planIndex } from './plan.ts'

type Connection = {
  readonly target: DependentTarget
  readonly backends: Backends
  readonly made: MadeTable | Blocked
}

export function indexController(options: {
  readonly pool: BackendPool
  readonly progress: ProgressFold
  readonly controllerName: string
}): Controller {
  const { pool, progress, controllerName } = options
  const controller = defineController({
    kind: indexes,
    watches: [
      mapped(tables, (table, read) => read(indexes).by(indexesByTable, keyOf(table)).map(keyOf), { when: tableMade }),
    ],
    conditions: ['Provisioned', 'Filled'],
    finalizer: {
      name: 'blasty.dev/index',
      cleanUp: async (index, connect: () => Promise<Connection>) => {
        const { target, backends } = await connect()
        const blocked = await removeIndex(target, backends)
        if (blocked === undefined) progress.forget(index.metadata.uid)
        return blocked
      },
      holdsWhilePaused: () => true,
    },
    accept: (index, { read }) => {
      const made = madeTable(index, read)
      return 'blocked' in made ? made : judgeIndex(index, made)
    },
    connect: async (index, context): Promise<Connection> => {
      const recorded = index.status?.external?.index
      const made = madeTable(index, context.read)
      return { ...(await connectDependent('Index', index, recorded, pool, context)), made }
    },
    observe: (index, { target, backends, made }, { now }) => {
      if ('blocked' in made) throw new StalledError(made.reason, made.message)
      return observeIndex(index, made, target, backends, current =>
        progress.fold(index.metadata.uid, index.status?.progress, current, now),
      )
    },
    plan: planIndex,
    act: (action, _, { target, backends }) => actOnIndex(action, target, backends),
    status: indexStatus,
  })
  return onlyServed(controller, indexes, (it, read) => servesDependent(it, controllerName, read))
}

/** Whether the columns exist and fit their use. */
export function judgeIndex({ spec }: Index, { schema }: Pick<MadeTable, 'schema'>): Blocked | undefined {
  const problems = indexProblems(spec, schema)
  return problems.length === 0 ? undefined : refused('InvalidColumns', problems.join('; '))
}

async function actOnIndex(action: IndexAction, target: DependentTarget, { search }: Backends): Promise<void> {
  switch (action.type) {
    case 'PutOwner':
      return putOwner(search, target.name, target.mark)
    case 'RemoveIndex':
      await search.deleteIndex(target.name)
      return
    case 'CreateIndex':
      await search.createIndex(target.name, idAttribute)
      return
    case 'UpdateSettings':
      return search.updateSettings(target.name, action.settings)
  }
}

/** Removes the index and then its mark, if they are ours. Undefined when both are gone. */
async function removeIndex(target: DependentTarget, { search }: Backends): Promise<Blocked | undefined> {
  const nothing = { asked: false, namespaceUids: [] }
  const ours = async () => {
    const found = await lookAtOwner(search, target.name)
    return judge(`search index ${target.name}`, found, target.mark, nothing).type === 'ours'
  }
  if (!(await ours())) return undefined
  await search.deleteIndex(target.name)
  if ((await search.getIndex(target.name)) !== undefined) {
    return waiting('Deleting', 'the server has not confirmed the deletion yet', { afterSeconds: 1 })
  }
  await removeOwner(search, target.name)
  return undefined
}
