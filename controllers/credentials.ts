/** The Secret with which the operator logs in to the backends of a class. */

import type { BackendClass } from '../crds/types.gen.ts'
import { type Secret, secrets } from '../directory/kinds.ts'
import { isForbidden, isNotFound, type KubeClient, keyFor, RetryError } from '../operator/mod.ts'

export type Credentials = {
  /** Changes with every change of the Secret. */
  readonly version: string
  readonly accessKey: string
  readonly secretKey: string
  readonly natsUser: string
  readonly natsPassword: string
  /** Empty when there is none. */
  readonly searchKey: string
  readonly trinoUser?: string
  readonly trinoPassword?: string
}

/** All but `searchKey`, which a search server may be without, and what only Trino wants. */
const needed = ['accessKey', 'secretKey', 'natsUser', 'natsPassword'] as const

/** Reads the Secret by name, the only way the operator may. Throws a RetryError that says what is missing. */
export async function readCredentials(
  found: BackendClass,
  namespace: string,
  client: Pick<KubeClient, 'get'>,
): Promise<Credentials> {
  const name = found.spec.credentials.operator.secretRef.name
  const secret = await client.get(secrets, keyFor(name, namespace)).catch((error: unknown): Secret => {
    if (isNotFound(error)) throw problem('SecretNotFound', `Secret ${namespace}/${name} does not exist`, error)
    if (isForbidden(error))
      throw problem('SecretForbidden', `the operator may not read Secret ${namespace}/${name}`, error)
    throw error
  })
  const missing = needed.filter(key => secret.data?.[key] === undefined)
  if (missing.length > 0) throw problem('SecretIncomplete', `Secret ${namespace}/${name} lacks ${missing.join(', ')}`)
  const text = (key: (typeof needed)[number] | 'searchKey' | 'trinoUser' | 'trinoPassword') =>
    Buffer.from(secret.data?.[key] ?? '', 'base64').toString()
  return {
    version: `${secret.metadata.uid}/${secret.metadata.resourceVersion}`,
    accessKey: text('accessKey'),
    secretKey: text('secretKey'),
    natsUser: text('natsUser'),
    natsPassword: text('natsPassword'),
    searchKey: text('searchKey'),
    ...(secret.data?.trinoUser !== undefined && { trinoUser: text('trinoUser') }),
    ...(secret.data?.trinoPassword !== undefined && { trinoPassword: text('trinoPassword') }),
  }
}

function problem(reason: string, message: string, cause?: unknown): RetryError {
  return new RetryError(reason, message, { condition: 'Reachable', afterSeconds: 10, ...(cause ? { cause } : {}) })
}
