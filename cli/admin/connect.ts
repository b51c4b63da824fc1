/** What the administrator's verbs work on: one Table, with the backends of its class under the operator's credentials. */

import { KubeConfig } from '@kubernetes/client-node'
import { type Command, Option } from 'commander'
import type { Connected } from '../../controllers/backends.ts'
import { newestDefault } from '../../controllers/classes.ts'
import { connectBackends } from '../../controllers/connect.ts'
import { readCredentials } from '../../controllers/credentials.ts'
import { type TableTarget, tableTarget } from '../../controllers/table/observe.ts'
import type { BackendClass, Table } from '../../crds/types.gen.ts'
import { backendClasses, namespaces, tables } from '../../directory/kinds.ts'
import { createClient, isNotFound, type KubeClient, keyFor } from '../../operator/mod.ts'

export type AdminOptions = { readonly kubeconfig?: string; readonly credentialsNamespace: string }

export type AdminTable = {
  readonly client: KubeClient
  readonly resource: Table
  readonly target: TableTarget
  readonly backends: Connected
  readonly close: () => Promise<void>
}

/** Adds the options that say which cluster is meant. */
export function withCluster(command: Command): Command {
  return command
    .addOption(new Option('--kubeconfig <file>', 'kubeconfig file; default: the usual places').env('KUBECONFIG'))
    .addOption(
      new Option('--credentials-namespace <namespace>', 'where the Secrets of BackendClasses are')
        .env('BLASTY_CREDENTIALS_NAMESPACE')
        .default('blasty-system'),
    )
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
    const resource = await client.get(tables, keyFor(table, namespace)).catch((error: unknown): Table => {
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

async function classOf(client: KubeClient, { status, spec, metadata }: Table): Promise<BackendClass> {
  const name = status?.backendClassName ?? spec.backendClassName
  if (name !== undefined) return client.get(backendClasses, keyFor(name))
  const { items } = await client.list(backendClasses)
  const found = newestDefault(items)
  if (found === undefined) throw new Error(`Table ${metadata.name} names no BackendClass and there is no default one`)
  return found
}
