/** What the controllers' tests share: an operator of their own, a class and namespace of their own, and a stand-in for the facades. */

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { KubeConfig } from '@kubernetes/client-node'
import { type ObjectStore, objectStore } from '../backends/object-store/store.ts'
import { connectSearch, type Search } from '../backends/search/search.ts'
import { connectStreams, type Streams } from '../backends/streams/connect.ts'
import type { BackendClass, Table } from '../crds/types.gen.ts'
import type { StackWith } from '../devstack/info.ts'
import { createNamespace, uniqueName } from '../devstack/testing.ts'
import { backendClasses, tables } from '../directory/kinds.ts'
import { openReports, type Report, type Reports, reportsBuckets } from '../engine/membership/reports.ts'
import {
  type Condition,
  createClient,
  isNotFound,
  type Key,
  type Kind,
  type KubeClient,
  type KubeObject,
  keyFor,
  type Reconcilable,
  silentLogger,
} from '../operator/mod.ts'
import { eventually } from '../operator/testing/widgets.ts'
import { probeBucket } from './backend-class/probe.ts'
import { type OperatorRole, type OperatorRoleOptions, startOperator } from './operator.ts'

export type TestStack = StackWith<'kubernetes' | 'nats' | 'objectStore'>

/** How soon resources are looked at again in tests, in seconds. */
const resyncSeconds = 1

/** A class of the test's own, served by no other operator. */
export type Bench = {
  readonly client: KubeClient
  readonly streams: Streams
  readonly objects: ObjectStore
  readonly search: Search
  readonly namespace: string
  readonly className: string
  readonly installation: string
  readonly controllerName: string
  readonly start: (options?: Partial<OperatorRoleOptions>) => Promise<OperatorRole>
  readonly facade: () => Promise<Facade>
  readonly create: <T extends KubeObject>(kind: Kind<T>, name: string, spec: object, metadata?: object) => Promise<T>
  readonly close: () => Promise<void>
}

export async function openBench(stack: TestStack, spec: object = {}): Promise<Bench> {
  const { kubernetes, nats } = stack
  const config = new KubeConfig()
  config.loadFromFile(kubernetes.kubeconfig)
  const client = createClient(config)
  const streams = await connectStreams({ servers: nats.servers, ...nats.users.operator, name: 'test' })
  const objects = objectStore({ ...stack.objectStore, pathStyle: true })
  const search = connectSearch({ hosts: [searchOf(stack).host], key: searchOf(stack).key })
  const namespace = await createNamespace(kubernetes, { blasty: 'yes' })
  const className = uniqueName('class')
  const installation = uniqueName('i')
  const controllerName = `test.blasty.dev/${className}`
  await client.create(backendClasses, {
    metadata: { name: className },
    spec: { ...classSpec(stack), installationID: installation, controllerName, ...spec },
  })
  const facades: Facade[] = []
  return {
    client,
    streams,
    objects,
    search,
    namespace,
    className,
    installation,
    controllerName,
    start: options => {
      const kubeConfig = new KubeConfig()
      kubeConfig.loadFromFile(kubernetes.kubeconfigs?.operator ?? kubernetes.kubeconfig)
      return startOperator({
        kubeConfig,
        controllerName,
        credentialsNamespace: 'blasty-system',
        metricsPort: 0,
        signal: AbortSignal.timeout(30_000),
        logger: silentLogger,
        resyncSeconds,
        ...options,
      })
    },
    facade: async () => {
      const facade = await startFacade(stack, installation, client, namespace)
      facades.push(facade)
      return facade
    },
    create: (kind, name, given, metadata = {}) =>
      client.create(kind, { metadata: { name, namespace, ...metadata }, spec: given }, namespace),
    close: async () => {
      await Promise.all(facades.map(facade => facade.stop()))
      await client.delete(backendClasses, keyFor(className))
      for await (const stream of streams.admin.streams.list()) {
        if (stream.config.name.startsWith(`${installation}-`)) await streams.admin.streams.delete(stream.config.name)
      }
      for (const bucket of Object.values(reportsBuckets(installation)))
        await streams.admin.streams.delete(`KV_${bucket}`).catch(() => false)
      await emptyBucket(objects, probeBucket(installation))
      await streams.close()
      await client.close()
    },
  }
}

/** The class as the stack's own, under a name and installation to be given. */
export function classSpec(stack: TestStack): Partial<BackendClass['spec']> {
  const { nats, objectStore: store } = stack
  const secret = (role: string) => ({ secretRef: { name: `blasty-${role}` } })
  return {
    objectStore: { endpoint: store.endpoint, region: store.region, pathStyle: true },
    streams: { servers: [...nats.servers], replicas: 1 },
    search: { hosts: [searchOf(stack).host] },
    credentials: { operator: secret('operator'), worker: secret('worker'), facade: secret('facade') },
  }
}

/** A run without a search server has one that does not answer. */
function searchOf({ search }: TestStack): { readonly host: string; readonly key: string } {
  return search ?? { host: 'http://127.0.0.1:1', key: 'none' }
}

export async function emptyBucket(objects: ObjectStore, bucket: string): Promise<void> {
  if (!(await objects.bucketExists(bucket))) return
  const keys: string[] = []
  for await (const { key } of objects.list(bucket, '')) keys.push(key)
  await objects.remove(bucket, keys)
  await objects.removeBucket(bucket)
}

export type Facade = { readonly publish: (report: Report) => Promise<void>; readonly stop: () => Promise<void> }

/** Reports every schema in force in the namespace as served, as facades do. */
async function startFacade(
  { nats }: TestStack,
  installation: string,
  client: KubeClient,
  namespace: string,
): Promise<Facade> {
  const streams = await connectStreams({ servers: nats.servers, ...nats.users.facade, name: 'test facade' })
  const reports: Reports = await openReports(streams, installation)
  const id = randomUUID().slice(0, 8)
  await reports.publish({ kind: 'member', role: 'facade', id })
  const stopping = new AbortController()
  const serve = async ({ metadata, status }: Table) => {
    if (status?.schema === undefined || metadata.namespace !== namespace) return
    await reports.publish({ kind: 'served', facade: id, tableUid: metadata.uid, schema: status.schema.number })
  }
  /** One list, and what changes after it until the server ends the watch, as it does with slow ones. */
  const follow = async () => {
    const page = await client.list(tables)
    for (const table of page.items) await serve(table)
    const { resourceVersion } = page
    const options = { resourceVersion, timeoutSeconds: 3_600, silenceMs: 3_600_000, signal: stopping.signal }
    for await (const event of client.watch(tables, options)) {
      if ('object' in event && event.type !== 'DELETED') await serve(event.object)
    }
  }
  const watching = (async () => {
    while (!stopping.signal.aborted) {
      try {
        await follow()
      } catch (error) {
        if (!stopping.signal.aborted) throw error
      }
    }
  })()
  return {
    publish: report => reports.publish(report),
    stop: async () => {
      stopping.abort()
      await watching
      await reports.close()
      await streams.close()
    },
  }
}

/** Waits until the object fulfils `holds`, and returns it as it is then. */
export async function until<T extends KubeObject>(
  client: KubeClient,
  kind: Kind<T>,
  key: Key,
  what: string,
  holds: (object: T) => boolean,
): Promise<T> {
  let last: T | undefined
  try {
    await eventually(what, async () => {
      last = await client.get(kind, key)
      return holds(last)
    })
  } catch (error) {
    throw new Error(
      `${kind.kind} ${key}: ${what}; it is ${JSON.stringify(last, (name, v) => (name === 'managedFields' ? undefined : v))}`,
      {
        cause: error,
      },
    )
  }
  if (last === undefined) throw new Error('nothing was read')
  return last
}

/** Waits until the object is gone. */
export async function untilGone(client: KubeClient, kind: Kind, key: Key): Promise<void> {
  await eventually(`${kind.kind} ${key} is gone`, async () => {
    try {
      await client.get(kind, key)
      return false
    } catch (error) {
      if (isNotFound(error)) return true
      throw error
    }
  })
}

/** `True Created`: status and reason of a condition. */
export function told(object: Reconcilable, type: string): string {
  const found: Condition | undefined = object.status?.conditions?.find(condition => condition.type === type)
  return found === undefined ? 'none' : `${found.status} ${found.reason}`
}

/** A way to a server on this machine that can be shut and opened again, at the same port. */
export type Gate = { readonly port: number; readonly shut: () => Promise<void>; readonly open: () => Promise<void> }

export async function openGate(upstreamPort: number): Promise<Gate> {
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    const upstream = connect(upstreamPort, '127.0.0.1')
    // Either end may break off: that is what a shut gate looks like.
    for (const socket of [client, upstream]) sockets.add(socket.on('error', () => socket.destroy()))
    client.pipe(upstream).pipe(client)
  })
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  await listen(0)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the gate has no port')
  const { port } = address
  return {
    port,
    open: () => listen(port),
    shut: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
