/** What tests need of the running stack: its description, namespaces and callers of their own. */
import { randomBytes } from 'node:crypto'
import { devConfig, stackFileVariable } from './config.ts'
import { type KubernetesInfo, type Part, type StackWith, type TrinoInfo, withParts } from './info.ts'
import { callApi, serviceAccountToken } from './kubernetes/api.ts'
import { askForTrino } from './on-demand.ts'
import { readStackFile } from './stack-file.ts'

/** Whom callers' tokens are for. */
const callerAudience = 'blasty'

/**
 * The stack of this test run, with the parts named.
 * It is shared by every test file: what harms a server needs a stack of its own, from `startStack`.
 */
export async function testStack<P extends Part>(...wanted: P[]): Promise<StackWith<P>> {
  const file = devConfig().stackFile
  if (file === undefined) {
    throw new Error(`${stackFileVariable} is not set: run tests with node --test --test-global-setup=./test/setup.ts`)
  }
  return withParts(await readStackFile(file), ...wanted)
}

/**
 * Trino over the object store of this test run's stack, started now unless it runs. Throws with what is missing; tests that
 * may be skipped ask `trinoMissing` first.
 */
export async function testTrino(): Promise<TrinoInfo> {
  const { trino, onDemand } = await testStack('objectStore')
  if (trino !== undefined) return trino
  if (onDemand === undefined) throw new Error('the stack of this test run starts nothing on demand')
  return await askForTrino(onDemand)
}

/** A name that no other test uses, fit for resources, streams, buckets and indexes. At most 20 characters with the default prefix. */
export function uniqueName(prefix = 't'): string {
  return `${prefix}-${randomBytes(5).toString('hex')}`
}

/** Creates a namespace with a unique name and returns the name. */
export async function createNamespace(
  kubernetes: KubernetesInfo,
  labels: Readonly<Record<string, string>> = {},
): Promise<string> {
  const name = uniqueName('test')
  await callApi(kubernetes, '/api/v1/namespaces', {
    method: 'POST',
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } },
  })
  return name
}

/** Creates a service account in the namespace and returns a token with which it calls the facade. */
export async function createCaller(
  kubernetes: KubernetesInfo,
  namespace: string,
  serviceAccount: string,
): Promise<string> {
  await callApi(kubernetes, `/api/v1/namespaces/${namespace}/serviceaccounts`, {
    method: 'POST',
    body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: serviceAccount } },
  })
  return await serviceAccountToken(kubernetes, { namespace, serviceAccount, audiences: [callerAudience] })
}
