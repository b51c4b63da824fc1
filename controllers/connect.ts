/** Opens the real backends of a class. */

import { claimingStore } from '../backends/object-store/claiming-store.ts'
import { claimsBucket, natsClaims } from '../backends/object-store/claims.ts'
import { objectStore } from '../backends/object-store/store.ts'
import { connectSearch } from '../backends/search/search.ts'
import { connectStreams } from '../backends/streams/connect.ts'
import type { BackendClass } from '../crds/types.gen.ts'
import { hasConditionalPut } from '../directory/kinds.ts'
import { openReports } from '../engine/membership/reports.ts'
import type { Connected, OnReport, Stores } from './backends.ts'
import type { Credentials } from './credentials.ts'
import { bounded } from './deadline.ts'
import { Reported } from './reported.ts'
import { openTrino } from './trino.ts'

/** How long a request of the object store may take, in milliseconds. */
const storeMillis = 15_000

/** The stores of a class, ready to be asked; nothing is asked yet. */
export function openStores(found: BackendClass, credentials: Credentials): Stores {
  const { objectStore: store, search } = found.spec
  const { accessKey, secretKey, searchKey } = credentials
  return {
    objects: bounded(objectStore({ ...store, accessKey, secretKey }), storeMillis),
    search: connectSearch({ hosts: search.hosts, key: searchKey }),
    trino: openTrino(found, credentials),
  }
}

/** Connects to the streams and follows the reports; the stores are only prepared. Throws BACKEND_UNAVAILABLE. */
export async function connectBackends(
  found: BackendClass,
  credentials: Credentials,
  onReport: OnReport,
): Promise<Connected> {
  const { installationID: installation, streams: nats } = found.spec
  const streams = await connectStreams({
    servers: nats.servers,
    user: credentials.natsUser,
    password: credentials.natsPassword,
    name: `blasty operator (${found.metadata.name})`,
  })
  try {
    const reports = await openReports(streams, installation)
    const reported = new Reported(reports, onReport)
    const stores = openStores(found, credentials)
    const claims = natsClaims(streams, claimsBucket(installation), nats.replicas)
    return {
      installation,
      ...stores,
      objects: hasConditionalPut(found) ? stores.objects : claimingStore(stores.objects, claims),
      streams,
      reported,
      ended: () => streams.connection.isClosed(),
      close: async () => {
        reported.close()
        await reports.close()
        await streams.close()
      },
    }
  } catch (error) {
    await streams.close()
    throw error
  }
}
