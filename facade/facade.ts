/** The facade role: gRPC services over the Tables that the operator has provisioned. */

import { join } from 'node:path'
import type { ServerCredentials } from '@grpc/grpc-js'
import { AuthenticationV1Api, type KubeConfig } from '@kubernetes/client-node'
import type { Registry } from 'prom-client'
import { BlastyError } from '../base/errors.ts'
import type { ClassBackends } from '../directory/backends.ts'
import { Directory, type ServedTable } from '../directory/directory.ts'
import { accessPolicies } from '../directory/kinds.ts'
import type { ServedReport } from '../engine/membership/reports.ts'
import { PastDatabases } from '../engine/past/databases.ts'
import type { SqlLimits } from '../engine/replica/sql-database.ts'
import { SqlDatabases } from '../engine/sql/databases.ts'
import { createClient, type Key, type Logger, splitKey } from '../operator/mod.ts'
import { BlobService } from '../proto/gen/blasty/v1/blob_service_pb.js'
import { CatalogService } from '../proto/gen/blasty/v1/catalog_service_pb.js'
import { MutationService } from '../proto/gen/blasty/v1/mutation_service_pb.js'
import { QueryService } from '../proto/gen/blasty/v1/query_service_pb.js'
import { SearchService } from '../proto/gen/blasty/v1/search_service_pb.js'
import { SubscriptionService } from '../proto/gen/blasty/v1/subscription_service_pb.js'
import { Health } from '../proto/gen/grpc/health/v1/health_pb.js'
import { ServerReflection } from '../proto/gen/grpc/reflection/v1/reflection_pb.js'
import { ServerReflection as ServerReflectionAlpha } from '../proto/gen/grpc/reflection/v1alpha/reflection_pb.js'
import { bearerAuthenticator, kubernetesTokenReview } from './auth/authenticator.ts'
import { TokenCache } from './auth/token-cache.ts'
import { TableServices } from './generated/services.ts'
import { HealthStatus } from './grpc/health.ts'
import { reflectionService } from './grpc/reflection.ts'
import { ReflectionIndex } from './grpc/reflection-index.ts'
import { startGrpcServer } from './grpc/server.ts'
import { callMetrics, replicaMetrics } from './metrics.ts'
import { blobService } from './services/blob.ts'
import { catalogService } from './services/catalog.ts'
import { mutationService } from './services/mutation.ts'
import { queryService } from './services/query.ts'
import { Scope } from './services/scope.ts'
import { searchService } from './services/search.ts'
import { searchableByReports } from './services/searchable.ts'
import { Snapshots } from './services/snapshots.ts'
import { subscriptionService } from './services/subscription.ts'

export type FacadeOptions = {
  readonly kubeConfig: KubeConfig
  /** `host:port`; port 0 takes a free one. */
  readonly address: string
  /** Plain text when unset. */
  readonly credentials?: ServerCredentials
  /** Unique among live facades. */
  readonly id: string
  readonly controllerName: string
  readonly credentialsNamespace: string
  /** Cache folder of this process alone. */
  readonly dataDirectory: string
  readonly sqlLimits: SqlLimits
  /** The largest Table, by the bytes of its lake, over which SQL runs here under `query.engine: Auto` where there is Trino. */
  readonly embeddedBytes: number
  readonly log: Logger
  /** Where metrics go. */
  readonly registry: Registry
}

export type Facade = {
  readonly port: number
  /** What keeps it from being ready, a line each. */
  readonly unready: () => string[]
  readonly close: () => Promise<void>
}

const services = [MutationService, QueryService, SearchService, SubscriptionService, BlobService, CatalogService]

/** Starts serving; resolves when the port is open and what the cluster holds is known. */
export async function startFacade(options: FacadeOptions): Promise<Facade> {
  const { kubeConfig, log, id, dataDirectory } = options
  const client = createClient(kubeConfig, { userAgent: 'blasty-facade' })
  const databases = new SqlDatabases(join(dataDirectory, 'sql'), options.sqlLimits)
  const past = new PastDatabases({
    directory: join(dataDirectory, 'past'),
    limits: options.sqlLimits,
    memory: databases.memory,
  })
  const directory = new Directory({ ...options, client, role: 'facade', sql: databases, alsoWatch: [accessPolicies] })
  replicaMetrics(options.registry, directory)
  const scope = new Scope(directory)
  const snapshots = new Snapshots()
  const searchable = searchableByReports(directory.read)
  const health = new HealthStatus()
  const reflection = new ReflectionIndex()
  const tokens = new TokenCache({ review: kubernetesTokenReview(client.api(AuthenticationV1Api)) })
  const bearer = bearerAuthenticator(tokens)
  let started = false
  const server = await startGrpcServer({
    address: options.address,
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    authenticate: async metadata => {
      // What has not been listed yet would be denied as if it did not exist.
      if (!started) throw new BlastyError('SERVER_STARTING')
      return bearer(metadata)
    },
    observe: callMetrics(options.registry),
    log: { internalError: (id, path, error) => log.error({ err: error, id, path }, 'internal error') },
  })
  const tableServices = new TableServices({ scope, server, reflection, searchable, snapshots })

  /** What was reported of each Table, and on which connections: a report is repeated until it is withdrawn. */
  const told = new Map<Key, { readonly on: ClassBackends; readonly report: ServedReport }>()
  const onTable = (key: Key, served: ServedTable | undefined) => {
    const { namespace = '', name } = splitKey(key)
    const failed = (error: unknown) => log.warn({ err: error, table: key }, 'a report could not be written')
    const before = told.get(key)
    if (
      before !== undefined &&
      !(before.on === served?.backends && before.report.tableUid === served.table.descriptor.uid)
    ) {
      told.delete(key)
      before.on.reports.withdraw(before.report).catch(failed)
    }
    if (served === undefined) {
      tableServices.remove(namespace, name)
      return
    }
    tableServices.serve(served)
    const { uid } = served.table.descriptor
    const report = { kind: 'served', facade: id, tableUid: uid, schema: served.table.schemas.current.number } as const
    told.set(key, { on: served.backends, report })
    served.backends.reports.publish(report).catch(failed)
  }
  directory.onTable(onTable)

  server.add(MutationService, mutationService(scope, searchable))
  server.add(QueryService, queryService(scope, snapshots, databases, past))
  server.add(SearchService, searchService(scope))
  server.add(SubscriptionService, subscriptionService(scope))
  server.add(BlobService, blobService(scope))
  server.add(CatalogService, catalogService(scope, tableServices))
  server.add(Health, health.implementation(), { open: true })
  for (const service of services) reflection.add(service)
  for (const service of [Health, ServerReflection, ServerReflectionAlpha]) reflection.add(service)
  const reflect = reflectionService(reflection, (identity, service) => {
    const table = tableServices.tableOf(service)
    return table === undefined || scope.allowed(identity, table).size > 0
  })
  server.add(ServerReflection, reflect)
  server.add(ServerReflectionAlpha, reflect)

  await directory.start()
  started = true
  health.set('', true)
  for (const { typeName } of services) health.set(typeName, true)
  log.info({ port: server.port }, 'the facade is serving')
  return {
    port: server.port,
    unready: () => directory.unready(),
    close: async () => {
      health.set('', false)
      await server.close()
      snapshots.close()
      await directory.close()
      await past.close()
      await databases.close()
      await client.close()
    },
  }
}
