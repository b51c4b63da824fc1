/** What is observed of a class, what is still to be found out, and its status: pure. */

import type { BackendClass } from '../../crds/types.gen.ts'
import { type Plan, type ReportedCondition, type StatusReport, stalled } from '../../operator/mod.ts'
import type { Answer } from './probe.ts'
import { hasAtomicBatches } from './probe.ts'

export type ClassObserved = {
  /** Versions, of those that answered. */
  readonly objectStore: Answer<string>
  readonly streams: Answer<string>
  readonly search: Answer<string>
  /** Undefined where the class has none. */
  readonly trino?: Answer<string> | undefined
  /** As the probe found it; undefined when it was not tried on this store. */
  readonly conditionalPut: boolean | undefined
}

export type ClassAction = { readonly type: 'ProbeConditionalPut' }

export function planClass(_: BackendClass, { objectStore, streams, conditionalPut }: ClassObserved): Plan<ClassAction> {
  if (objectStore.ok && conditionalPut === undefined) return [{ type: 'ProbeConditionalPut' }]
  if (streams.ok && !hasAtomicBatches(streams.value)) {
    return stalled('NoAtomicBatches', `NATS ${streams.value} has no atomic batches; 2.12 or later has`)
  }
  return []
}

/** Seconds between looks at backends that do not answer. */
const againSeconds = 10

export function classStatus(found: BackendClass, observed: ClassObserved): StatusReport {
  const before = found.status?.versions ?? {}
  const problems = (['objectStore', 'streams', 'search', 'trino'] as const).flatMap(name => {
    const answer = observed[name]
    return answer === undefined || answer.ok ? [] : [answer.problem]
  })
  const reachable = problems.length === 0
  const known = (name: 'objectStore' | 'streams' | 'search' | 'trino') => {
    const answer = observed[name]
    if (answer === undefined) return {}
    const version = answer.ok ? answer.value : before[name]
    return version === undefined ? {} : { [name]: version }
  }
  const { conditionalPut, streams } = observed
  const atomicBatches = streams.ok ? hasAtomicBatches(streams.value) : found.status?.capabilities?.atomicBatches
  return {
    conditions: [
      reachable
        ? { type: 'Reachable', status: 'True', reason: 'Reachable', message: 'all backends answer' }
        : { type: 'Reachable', status: 'False', reason: 'BackendUnavailable', message: problems.join('; ') },
      ...(conditionalPut === undefined ? [] : [putCondition(conditionalPut)]),
    ],
    fields: {
      versions: { ...known('objectStore'), ...known('streams'), ...known('search'), ...known('trino') },
      capabilities: {
        ...(conditionalPut === undefined ? {} : { conditionalPut }),
        ...(atomicBatches === undefined ? {} : { atomicBatches }),
      },
    },
    ...(reachable ? {} : { afterSeconds: againSeconds }),
  }
}

/** How writers are kept apart. A class is Ready either way. */
function putCondition(honoured: boolean): ReportedCondition {
  const condition = { type: 'ConditionalPut', gates: false } as const
  return honoured
    ? { ...condition, status: 'True', reason: 'Honoured', message: 'the object store honours If-None-Match' }
    : {
        ...condition,
        status: 'False',
        reason: 'Claimed',
        message:
          'the object store overwrites what it was asked not to (If-None-Match); commits, marks and schemas are claimed in NATS',
      }
}
