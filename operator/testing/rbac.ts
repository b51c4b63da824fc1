/** Rights for a service account. */
import type { KubeClient } from '../client.ts'
import { defineKind } from '../kind.ts'

const group = 'rbac.authorization.k8s.io'
const clusterRoles = defineKind({
  group,
  version: 'v1',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  namespaced: false,
})
const bindings = defineKind({
  group,
  version: 'v1',
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  namespaced: false,
})

/** Lets the service account `operator` of `namespace` do what the rules say, everywhere. */
export async function grant(client: KubeClient, namespace: string, rules: readonly object[]): Promise<void> {
  await client.create(clusterRoles, { metadata: { name: namespace }, rules })
  await client.create(bindings, {
    metadata: { name: namespace },
    roleRef: { apiGroup: group, kind: 'ClusterRole', name: namespace },
    subjects: [{ kind: 'ServiceAccount', name: 'operator', namespace }],
  })
}
