/** Finds out whether the backends of a class answer and what they can do; keeps their connections fresh. */

import type { BackendClass } from '../../crds/types.gen.ts'
import { backendClasses } from '../../directory/kinds.ts'
import { type Controller, defineController } from '../../operator/mod.ts'
import type { BackendPool, Stores } from '../backends.ts'
import { openStores } from '../connect.ts'
import type { Credentials } from '../credentials.ts'
import { onlyServed } from '../served.ts'
import { probeTrino } from '../trino.ts'
import { classStatus, planClass } from './plan.ts'
import { answerOf, probeConditionalPut, probeObjectStore, probeStreams } from './probe.ts'

type Connection = Stores & { readonly credentials: Credentials }

export function backendClassController(options: {
  readonly pool: BackendPool
  readonly controllerName: string
}): Controller {
  const { pool, controllerName } = options
  // By uid and generation: what was found out since the operator started.
  const conditionalPuts = new Map<string, boolean>()
  const version = ({ metadata }: BackendClass) => `${metadata.uid}/${metadata.generation}`
  const controller = defineController({
    kind: backendClasses,
    conditions: ['Reachable'],
    connect: async (found): Promise<Connection> => {
      const credentials = await pool.credentials(found)
      return { ...openStores(found, credentials), credentials }
    },
    observe: async (found, { objects, search, trino, credentials }) => {
      const { installationID, objectStore } = found.spec
      const [store, streams, searcher, lakeReader] = await Promise.all([
        answerOf(probeObjectStore(objects, objectStore.endpoint, installationID)),
        answerOf(pool.refresh(found, credentials).then(set => probeStreams(set.streams))),
        answerOf(search.version()),
        trino && answerOf(probeTrino(trino)),
      ])
      const { capabilities, observedGeneration } = found.status
      const told = observedGeneration === found.metadata.generation ? capabilities?.conditionalPut : undefined
      const conditionalPut = conditionalPuts.get(version(found)) ?? told
      return { objectStore: store, streams, search: searcher, trino: lakeReader, conditionalPut }
    },
    plan: planClass,
    act: async (_, found, { objects }) => {
      conditionalPuts.set(version(found), await probeConditionalPut(objects, found.spec.installationID))
    },
    status: classStatus,
  })
  const served = onlyServed(controller, backendClasses, found => found.spec.controllerName === controllerName)
  return {
    ...served,
    run: async (key, environment) => {
      const run = await served.run(key, environment)
      if (run.result === 'gone') pool.forget(key)
      return run
    },
  }
}
