/** A small custom resource for tests, with a fake outside system that its controller keeps. */
import { KubeConfig } from '@kubernetes/client-node'
import { type ClientOptions, createClient, type KubeClient } from '../client.ts'
import {
  type Context,
  type Controller,
  type ControllerSpec,
  defineController,
  type WatchSource,
} from '../controller.ts'
import { type Condition, type CustomObject, defineKind, type Key, type KubeObject, keyFor, keyOf } from '../kind.ts'
import { isAlreadyExists, isTransient } from '../kube-error.ts'

export type Widget = CustomObject<
  { readonly size?: number; readonly note?: string },
  { readonly observedGeneration?: number; readonly conditions?: readonly Condition[]; readonly size?: number }
>

const widgetKind = (kind: string) =>
  defineKind<Widget>({
    group: 'test.example.com',
    version: 'v1',
    kind,
    plural: `${kind.toLowerCase()}s`,
    namespaced: true,
  })

export const widgets = widgetKind('Widget')

/** The same under another name, for a test file whose objects no operator shall touch. */
export const gadgets = widgetKind('Gadget')

export const configMaps = defineKind<KubeObject & { readonly data?: Readonly<Record<string, string>> }>({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespaced: true,
})

const definitions = defineKind({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
})

export interface Access {
  readonly server: string
  readonly token: string
  /** PEM. */
  readonly ca?: string
}

/** A client for the server at `access.server`, which may be a proxy that speaks plain HTTP. */
export function clientFor(access: Access, options: ClientOptions = {}): KubeClient {
  const config = new KubeConfig()
  // The client library sends nothing over plain HTTP unless it is told not to verify.
  const cluster = { name: 'c', server: access.server, skipTLSVerify: access.server.startsWith('http:') }
  const trusted = access.ca === undefined ? cluster : { ...cluster, caData: Buffer.from(access.ca).toString('base64') }
  config.loadFromClusterAndUser(trusted, { name: 'u', token: access.token })
  return createClient(config, options)
}

/** Installs the definition and waits until the resource is served. */
export async function installWidgets(client: KubeClient, kindOf = widgets): Promise<void> {
  const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  const condition = {
    type: 'object',
    properties: Object.fromEntries(
      ['type', 'status', 'reason', 'message', 'lastTransitionTime'].map(name => [name, { type: 'string' }]),
    ),
  }
  Object.assign(condition.properties, { observedGeneration: { type: 'integer' } })
  const conditions = {
    type: 'array',
    items: { ...condition, required: ['type', 'status'] },
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['type'],
  }
  const status = {
    type: 'object',
    default: { observedGeneration: -1 },
    properties: { observedGeneration: { type: 'integer' }, size: { type: 'integer' }, conditions },
  }
  const spec = { type: 'object', properties: { size: { type: 'integer', maximum: 1000 }, note: { type: 'string' } } }
  const schema = { openAPIV3Schema: { ...open, properties: { spec, status } } }
  const versions = [{ name: 'v1', served: true, storage: true, schema, subresources: { status: {} } }]
  const { group, plural, kind } = kindOf
  const name = `${plural}.${group}`
  const names = { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List` }
  const body = { apiVersion: definitions.apiVersion, kind: definitions.kind, metadata: { name } }
  try {
    await client.create(definitions, { ...body, spec: { group, scope: 'Namespaced', names, versions } })
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
  await eventually('the resource is served', () =>
    client.list(kindOf, { limit: 1 }).then(
      () => true,
      error => {
        if (isTransient(error)) return false
        throw error
      },
    ),
  )
}

/** A body to create; the path says of which kind. */
export function widget(namespace: string, name: string, spec: Widget['spec'] = {}, metadata: object = {}) {
  return { metadata: { name, namespace, ...metadata }, spec }
}

/** Deletes every object of the kind, without asking anybody. */
export async function deleteAll(client: KubeClient, kind = widgets): Promise<void> {
  const { items } = await client.list(kind)
  const remove = async ({ metadata }: Widget) => {
    const key = keyFor(metadata.name, metadata.namespace)
    if (metadata.finalizers !== undefined) {
      await client.patch(kind, key, { metadata: { finalizers: null } }, { type: 'merge' })
    }
    if (metadata.deletionTimestamp === undefined) await client.delete(kind, key)
  }
  const left = [...items]
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let item = left.pop(); item !== undefined; item = left.pop()) await remove(item)
    }),
  )
}

/** The outside system: a size by key. */
export class Outside {
  readonly sizes = new Map<Key, number>()
  readonly calls: string[] = []
}

type Spec = ControllerSpec<Widget, Outside, number | undefined, { readonly set: number }>

/** A controller that keeps the size of each widget outside. Parts may be replaced. */
export function widgetController(
  outside: Outside,
  parts: Partial<Spec> & { watches?: readonly WatchSource[] } = {},
): Controller {
  return defineController<Widget, Outside, number | undefined, { readonly set: number }>({
    kind: widgets,
    conditions: ['Sized'],
    finalizer: {
      name: 'test.example.com/outside',
      cleanUp: (object, _connect, _context: Context) => {
        outside.calls.push(`clean ${keyOf(object)}`)
        outside.sizes.delete(keyOf(object))
        return undefined
      },
    },
    connect: () => outside,
    observe: object => outside.sizes.get(keyOf(object)),
    plan: (object, size) => (size === (object.spec.size ?? 0) ? [] : [{ set: object.spec.size ?? 0 }]),
    act: (action, object) => {
      outside.calls.push(`set ${keyOf(object)}`)
      outside.sizes.set(keyOf(object), action.set)
    },
    status: (object, size) => ({
      conditions: [
        size === (object.spec.size ?? 0)
          ? { type: 'Sized', status: 'True', reason: 'Sized', message: `the size is ${size}` }
          : { type: 'Sized', status: 'False', reason: 'WrongSize', message: 'the size is not set yet' },
      ],
      fields: size === undefined ? {} : { size },
    }),
    ...parts,
  })
}

/** Looks every 20 ms until it is true; the runner's own time limit ends a test in which it never is. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>, seconds = 30): Promise<void> {
  const end = Date.now() + seconds * 1000
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`never happened: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
