/** The custom resources and what else is read of Kubernetes, and the indexes over their caches. */

import type { AccessPolicy, AccessPolicyRule, BackendClass, Index, Subscription, Table } from '../crds/types.gen.ts'
import { defineIndex, defineKind, type KubeObject } from '../operator/mod.ts'

const own = { group: 'blasty.dev', version: 'v1alpha1' } as const

export const backendClasses = defineKind<BackendClass>({
  ...own,
  kind: 'BackendClass',
  plural: 'backendclasses',
  namespaced: false,
})
/** Whether the object store of a class was seen to keep what may be put once. Until it was, it counts as one that overwrites. */
export const hasConditionalPut = ({ status }: BackendClass): boolean => status?.capabilities?.conditionalPut === true

export const tables = defineKind<Table>({ ...own, kind: 'Table', plural: 'tables', namespaced: true })
export const indexes = defineKind<Index>({ ...own, kind: 'Index', plural: 'indexes', namespaced: true })
export const subscriptions = defineKind<Subscription>({
  ...own,
  kind: 'Subscription',
  plural: 'subscriptions',
  namespaced: true,
})
export const accessPolicies = defineKind<AccessPolicy>({
  ...own,
  kind: 'AccessPolicy',
  plural: 'accesspolicies',
  namespaced: true,
})

export const namespaces = defineKind<KubeObject>({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  namespaced: false,
})

export type Secret = KubeObject & { readonly data?: Readonly<Record<string, string>> }

/** Never watched: one is read by name. */
export const secrets = defineKind<Secret>({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
})

const tableKey = (object: { metadata: { namespace: string }; spec: { tableRef: { name: string } } }) => [
  `${object.metadata.namespace}/${object.spec.tableRef.name}`,
]

/** Indexes and Subscriptions by the key of their Table. */
export const indexesByTable = defineIndex(indexes, tableKey)
export const subscriptionsByTable = defineIndex(subscriptions, tableKey)

/** The actions that `where` and `columns` of an AccessPolicy's rule can limit; the others are allowed on a whole Table or not at all. */
export const limitableActions = [
  'Get',
  'List',
  'Query',
] as const satisfies readonly AccessPolicyRule['actions'][number][]

/** AccessPolicies by the keys of the Tables that they name. */
export const policiesByTable = defineIndex(accessPolicies, ({ metadata, spec }) => [
  ...new Set(spec.rules.flatMap(rule => rule.tables.names.map(name => `${metadata.namespace}/${name}`))),
])

export const tablesByUid = defineIndex(tables, table => [table.metadata.uid])
export const indexesByUid = defineIndex(indexes, index => [index.metadata.uid])
export const subscriptionsByUid = defineIndex(subscriptions, subscription => [subscription.metadata.uid])
