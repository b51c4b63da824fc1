/** Creating custom resources, and waiting until the operator says that they are ready. */

import { createCaller } from '../../devstack/testing.ts'
import { accessPolicies, tables } from '../../directory/kinds.ts'
import { conditionOf, isTrue, type Kind, type KubeObject, type Reconcilable } from '../../operator/mod.ts'
import type { Environment } from './environment.ts'

const patienceSeconds = 90

/** Waits until all of these resources are Ready. Rejects with one that is not and why. */
export async function untilReady<T extends Reconcilable>(
  { client, namespace, crashed }: Environment,
  kind: Kind<T>,
  names: readonly string[],
): Promise<void> {
  const missing = new Set(names)
  const last = new Map<string, T>()
  const abort = new AbortController()
  const see = (object: T) => {
    const { name } = object.metadata
    if (object.metadata.namespace !== namespace || !missing.has(name)) return
    last.set(name, object)
    if (isTrue(object, 'Ready')) missing.delete(name)
  }
  const deadline = Date.now() + patienceSeconds * 1000
  const watch = async () => {
    while (Date.now() < deadline) {
      const { items, resourceVersion } = await client.list(kind)
      items.forEach(see)
      if (missing.size === 0) return
      const options = { resourceVersion, timeoutSeconds: 30, silenceMs: 30_000, signal: abort.signal }
      for await (const event of client.watch(kind, options)) {
        if (event.type === 'ADDED' || event.type === 'MODIFIED') see(event.object)
        if (missing.size === 0) return
      }
    }
    const [name = ''] = missing
    const { reason, message } = conditionOf(last.get(name), 'Ready') ?? {}
    throw new Error(`${missing.size} of ${names.length} ${kind.plural} are not Ready; ${name}: ${reason} ${message}`)
  }
  try {
    await Promise.race([watch(), crashed])
  } finally {
    abort.abort(new Error('no longer watching'))
  }
}

/** Creates resources, some at a time. */
export async function createAll<T extends KubeObject>(
  { client, namespace }: Environment,
  kind: Kind<T>,
  specs: ReadonlyMap<string, object>,
  atOnce = 8,
): Promise<void> {
  const left = [...specs]
  const create = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [name, spec] = next
      await client.create(kind, { metadata: { name, namespace }, spec }, namespace)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, create))
}

/** A ready Table that a caller of the bench's own may do everything with; returns the caller's token. */
export async function readyTable(environment: Environment, name: string, spec: object): Promise<string> {
  const { client, stack, namespace } = environment
  const token = await createCaller(stack.kubernetes, namespace, 'bench')
  const actions = ['Get', 'List', 'Query', 'Search', 'Subscribe', 'Put', 'Delete']
  const policy = {
    subjects: [{ kind: 'ServiceAccount', name: 'bench' }],
    rules: [{ tables: { names: [name] }, actions }],
  }
  await client.create(accessPolicies, { metadata: { name: 'bench', namespace }, spec: policy }, namespace)
  await client.create(tables, { metadata: { name, namespace }, spec }, namespace)
  await untilReady(environment, tables, [name])
  return token
}
