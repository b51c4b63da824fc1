/** What the administrator's verbs work on: one Table, with the backends of its class under the operator's credentials. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import type { Connected } from '../../controllers/backends.ts'
import { newestDefault } from '../../controllers/classes.ts'
import { connectBackends } from '../../controllers/connect.ts'
import { readCredentials } from '../../controllers/credentials.ts'
import { type TableTarget, tableTarget } from '../../controllers/table/observe.ts'
import type { BackendClass, Table as TableResource } from '../../crds/types.gen.ts'
import { backendClasses, namespaces, tables } from '../../directory/kinds.ts'
import { Table } from '../../engine/table.ts'
import { createClient, isNotFound, type Kind, type KubeClient, type KubeObject, keyFor } from '../../operator/mod.ts'
import { say } from './verb.ts'

export type AdminOptions = { readonly kubeconfig?: string; readonly credentialsNamespace: string }

export type AdminTable = {
  readonly client: KubeClient
  readonly resource: TableResource
  readonly target: TableTarget
  readonly backends: Connected
  readonly close: () => Promise<void>
}

/** `name` is `NAMESPACE/TABLE`. Throws an Error that says what is missing. */
export async function openAdminTable(name: string, options: AdminOptions): Promise<AdminTable> {
  const [namespace = '', table = '', ...more] = name.split('/')
  if (namespace === '' || table === '' || more.length > 0) throw new Error(`${name} is not of the form NAMESPACE/TABLE`)
  const config = new KubeConfig()
  if (options.kubeconfig === undefined) config.loadFromDefault()
  else config.loadFromFile(options.kubeconfig)
  const client = createClient(config, { userAgent: 'blasty-admin' })
  try {
    const resource = await client.get(tables, keyFor(table, namespace)).catch((error: unknown): TableResource => {
      throw isNotFound(error) ? new Error(`there is no Table ${name}`) : error
    })
    const found = await classOf(client, resource)
    const { uid } = (await client.get(namespaces, keyFor(namespace))).metadata
    const credentials = await readCredentials(found, options.credentialsNamespace, client)
    const backends = await connectBackends(found, credentials, () => {})
    const close = async () => {
      await backends.close()
      await client.close()
    }
    return { client, resource, target: tableTarget(resource, found, uid), backends, close }
  } catch (error) {
    await client.close()
    throw error
  }
}

/** Works with the Table over a scratch folder, as the status tells of it or in another epoch. Throws what `openTable` does. */
export async function withTable<T>(
  found: AdminTable,
  work: (table: Table, directory: string) => Promise<T>,
  epoch?: number,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'blasty-admin-'))
  try {
    const table = openTable(found, directory, epoch)
    try {
      return await work(table, directory)
    } finally {
      await table.close()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** The Table with its caches below a scratch folder. Throws an Error when the operator has not provisioned it. */
export function openTable(
  { resource, target, backends }: AdminTable,
  directory: string,
  epoch = resource.status?.external?.epoch,
): Table {
  const { namespace, name, uid } = resource.metadata
  const { schema } = resource.status ?? {}
  if (schema === undefined || epoch === undefined) throw new Error(`Table ${namespace}/${name} is not provisioned yet`)
  const { bucket, stream } = target
  const { streams, objects } = backends
  return new Table(
    { namespace, name, uid, schema, bucket, stream, epoch },
    {
      streams,
      objects,
      dataDirectory: join(directory, `epoch-${epoch}`),
      onError: error => say(error instanceof Error ? error.message : String(error)),
    },
  )
}

/** Every object of a kind in the cluster. */
export async function everyOne<T extends KubeObject>(client: KubeClient, kind: Kind<T>): Promise<T[]> {
  const all: T[] = []
  for (let continueAt: string | undefined; ; ) {
    const page = await client.list(kind, continueAt === undefined ? {} : { continueAt })
    all.push(...page.items)
    continueAt = page.continueAt
    if (continueAt === undefined) return all
  }
}

async function classOf(client: KubeClient, { status, spec, metadata }: TableResource): Promise<BackendClass> {
  const name = status?.backendClassName ?? spec.backendClassName
  if (name !== undefined) return client.get(backendClasses, keyFor(name))
  const found = newestDefault(await everyOne(client, backendClasses))
  if (found === undefined) throw new Error(`Table ${metadata.name} names no BackendClass and there is no default one`)
  return found
}
