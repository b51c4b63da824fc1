/** The connections of one process to the backends of one class, under the credentials of its role. */

import { randomUUID } from 'node:crypto'
import { claimingStore } from '../backends/object-store/claiming-store.ts'
import { claimsBucket, natsClaims } from '../backends/object-store/claims.ts'
import { type ObjectStore, objectStore } from '../backends/object-store/store.ts'
import { connectStreams, type Streams } from '../backends/streams/connect.ts'
import { type Trino, trino } from '../backends/trino/client.ts'
import { BlastyError } from '../base/errors.ts'
import type { BackendClass } from '../crds/types.gen.ts'
import { openReports, type Reports } from '../engine/membership/reports.ts'
import { type KubeClient, keyFor } from '../operator/mod.ts'
import { hasConditionalPut, type Secret, secrets } from './kinds.ts'

export type Role = 'worker' | 'facade'

export type ClassBackends = {
  readonly className: string
  /** Another one for each set of connections. */
  readonly connectionID: string
  readonly installationID: string
  readonly streams: Streams
  readonly objects: ObjectStore
  readonly search: { readonly host: string; readonly key: string }
  /** What facades run SQL in; undefined where the class has none, and for workers. */
  readonly trino?: { readonly catalog: string; readonly client: () => Trino } | undefined
  readonly reports: Reports
  readonly close: () => Promise<void>
}

export type ConnectOptions = {
  readonly found: BackendClass
  readonly client: Pick<KubeClient, 'get'>
  readonly role: Role
  readonly id: string
  /** What a facade says of itself. */
  readonly embeddedBytes?: number
  readonly credentialsNamespace: string
}

/** Connects and joins the members of the installation. */
export async function connectClass({
  found,
  client,
  role,
  id,
  embeddedBytes,
  credentialsNamespace,
}: ConnectOptions): Promise<ClassBackends> {
  const { spec, metadata } = found
  const { name } = spec.credentials[role].secretRef
  const secret = await client.get(secrets, keyFor(name, credentialsNamespace))
  const value = (key: string): string => {
    const encoded = secret.data?.[key]
    if (encoded === undefined) {
      const problem = `Secret ${credentialsNamespace}/${name} has no key ${key}`
      throw new BlastyError('BACKEND_REFUSED', { backend: 'Kubernetes API', problem })
    }
    return Buffer.from(encoded, 'base64').toString()
  }
  const streams = await connectStreams({
    servers: spec.streams.servers,
    user: value('natsUser'),
    password: value('natsPassword'),
    name: `blasty ${role} ${id}`,
  })
  try {
    const reports = await openReports(streams, spec.installationID)
    await reports.publish({ kind: 'member', role, id, ...(embeddedBytes === undefined ? {} : { embeddedBytes }) })
    const store = objectStore({ ...spec.objectStore, accessKey: value('accessKey'), secretKey: value('secretKey') })
    const claims = natsClaims(streams, claimsBucket(spec.installationID), spec.streams.replicas)
    return {
      className: metadata.name,
      connectionID: randomUUID(),
      installationID: spec.installationID,
      streams,
      objects: hasConditionalPut(found) ? store : claimingStore(store, claims),
      search: { host: spec.search.hosts[0] ?? '', key: value('searchKey') },
      trino: role === 'facade' ? trinoOf(found, secret) : undefined,
      reports,
      close: async () => {
        await reports.close()
        await streams.close()
      },
    }
  } catch (error) {
    await streams.close()
    throw error
  }
}

/** A server that is away is asked again for so long, in milliseconds. */
const trinoPatienceMillis = 10_000

/** Opened when first used: credentials that Trino cannot be given are no reason to be without the other backends. */
function trinoOf({ spec }: BackendClass, secret: Secret): ClassBackends['trino'] {
  if (spec.trino === undefined) return undefined
  const { server, catalog } = spec.trino
  const text = (key: string): string | undefined => {
    const encoded = secret.data?.[key]
    return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString()
  }
  const [user = 'blasty', password] = [text('trinoUser'), text('trinoPassword')]
  const client = () =>
    trino({ server, user, patienceMillis: trinoPatienceMillis, ...(password !== undefined && { password }) })
  return { catalog, client }
}
