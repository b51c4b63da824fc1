/** A namespace of its own for a test: resources applied with kubectl, callers with real tokens. */
import { randomUUID } from 'node:crypto'
import { createCaller, createNamespace, uniqueName } from '../../devstack/testing.ts'
import { Action, CatalogService } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import { type Client, openClient } from './client.ts'
import { eventually, kubectl, type Output, runKubectl, type Setting } from './setting.ts'

export type Scene = AsyncDisposable & {
  readonly setting: Setting
  readonly namespace: string
  /** Applies resources of this namespace, as a user does. Throws what kubectl says. */
  readonly apply: (...resources: readonly Resource[]) => Promise<void>
  /** The same; returns what kubectl says. */
  readonly tryApply: (...resources: readonly Resource[]) => Promise<Output>
  /** Waits until a condition of a resource is True. `what` is such as `table/films`. */
  readonly wait: (what: string, condition?: string) => Promise<void>
  /** Reads a field with kubectl's JSONPath. */
  readonly field: (what: string, path: string) => Promise<string>
  readonly remove: (what: string) => Promise<void>
  /** A service account's client. */
  readonly caller: (serviceAccount?: string) => Promise<Client>
  /** Waits until the facade lets the caller do this: it learns of policies by its watch. */
  readonly allowed: (client: Client, table: string, action: Action, allowed?: boolean) => Promise<void>
  /** A client that may do everything with these Tables. */
  readonly owner: (...tables: readonly string[]) => Promise<Client>
}

export type Resource = {
  readonly kind: 'Table' | 'Index' | 'Subscription' | 'AccessPolicy'
  readonly name: string
  readonly spec: object
}

export const allActions = [
  ...['Get', 'List', 'Query', 'Search', 'Subscribe', 'Put', 'Delete', 'Erase', 'ReadBlob', 'WriteBlob'],
]

/** A policy that allows a service account these actions. */
export function policyFor(serviceAccount: string, tables: readonly string[], actions = allActions): Resource {
  const subjects = [{ kind: 'ServiceAccount', name: serviceAccount }]
  return {
    kind: 'AccessPolicy',
    name: serviceAccount,
    spec: { subjects, rules: [{ tables: { names: tables }, actions }] },
  }
}

export async function openScene(setting: Setting): Promise<Scene> {
  const { info, grpc } = setting
  const namespace = await createNamespace(info.kubernetes)
  const clients: Client[] = []
  const here = ['--namespace', namespace]
  const documents = (resources: readonly Resource[]) =>
    resources.map(({ kind, name, spec }) => ({ apiVersion: 'blasty.dev/v1alpha1', kind, metadata: { name }, spec }))
  const scene: Scene = {
    setting,
    namespace,
    apply: async (...resources) => {
      await kubectl(info, ['apply', ...here, '--filename=-'], documents(resources))
    },
    tryApply: (...resources) => runKubectl(info, ['apply', ...here, '--filename=-'], documents(resources)),
    wait: async (what, condition = 'Ready') => {
      const { code, stderr } = await runKubectl(info, [
        'wait',
        ...here,
        `--for=condition=${condition}`,
        '--timeout=30s',
        what,
      ])
      if (code === 0) return
      throw new Error(`${what}: ${stderr} ${await scene.field(what, '{.status.conditions}')}`)
    },
    field: (what, path) => kubectl(info, ['get', ...here, what, `--output=jsonpath=${path}`]),
    remove: async what => {
      await kubectl(info, ['delete', ...here, '--timeout=30s', what])
    },
    caller: async (serviceAccount = uniqueName('caller')) => {
      const token = await createCaller(info.kubernetes, namespace, serviceAccount)
      const client = openClient(grpc, { namespace, serviceAccount, token })
      clients.push(client)
      return client
    },
    allowed: (client, table, action, allowed = true) =>
      eventually(
        `${client.serviceAccount} ${allowed ? 'may' : 'may not'} do ${Action[action]} with ${table}`,
        async () => {
          const catalog = client.connection.service(CatalogService)
          const answer = await catalog.canI({ table: { namespace, name: table }, action })
          return answer.allowed === allowed ? true : undefined
        },
      ).then(() => {}),
    owner: async (...tables) => {
      const client = await scene.caller(`owner-${randomUUID().slice(0, 8)}`)
      await scene.apply(policyFor(client.serviceAccount, tables))
      for (const table of tables) await scene.allowed(client, table, Action.GET)
      return client
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.connection.close()
    },
  }
  return scene
}
