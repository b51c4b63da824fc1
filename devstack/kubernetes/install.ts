/** Installs Blasty in the stack's Kubernetes: API, RBAC of the chart, credentials, the default BackendClass. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parseAllDocuments, stringify } from 'yaml'
import type { KubernetesInfo, NatsInfo, ObjectStoreInfo, Role, SearchInfo } from '../info.ts'
import { roles } from '../info.ts'
import { serviceAccountToken } from './api.ts'
import { writeKubeconfig } from './kubeconfig.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))

/** Namespace of the service accounts, the credentials and the roles' leases. */
export const systemNamespace = 'blasty-system'

const tokenSeconds = 30 * 86_400

/** Kinds of the chart that matter without nodes: who may do what. */
const accessKinds = ['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding']

/** The backends that roles reach; each is there when the stack has it. */
export type Backends = {
  readonly nats: NatsInfo | undefined
  readonly objectStore: ObjectStoreInfo | undefined
  readonly search: SearchInfo | undefined
}

/**
 * Applies `crds/`, the chart's RBAC, one credentials Secret a role and, with all three backends, the BackendClass
 * `standard`. Returns kubeconfigs by role, written to `folder`. May be repeated.
 */
export async function installBlasty(
  folder: string,
  kubernetes: KubernetesInfo,
  backends: Backends,
): Promise<Readonly<Record<Role, string>>> {
  const crds = join(root, 'crds')
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: systemNamespace } }
  const secrets = roles.map(role => credentials(role, backends))
  const access = await chartAccess(kubernetes)
  await Promise.all([
    kubectl(kubernetes, [...apply, '--filename', crds]),
    kubectl(
      kubernetes,
      [...apply, '--filename=-'],
      [namespace, ...secrets].map(object => stringify(object)).concat(access),
    ),
  ])
  const withClass = async (): Promise<void> => {
    const standard = backendClass(backends)
    if (standard === undefined) return
    await kubectl(kubernetes, ['wait', '--for=condition=Established', '--timeout=30s', '--filename', crds])
    await kubectl(kubernetes, [...apply, '--filename=-'], [stringify(standard)])
  }
  const [operator, worker, facade] = await Promise.all([
    roleKubeconfig(folder, kubernetes, 'operator'),
    roleKubeconfig(folder, kubernetes, 'worker'),
    roleKubeconfig(folder, kubernetes, 'facade'),
    withClass(),
  ])
  return { operator, worker, facade }
}

const apply = ['apply', '--server-side', '--force-conflicts']

/** The chart's objects that say who may do what, as YAML; without nodes its Deployments would only wait. */
async function chartAccess(kubernetes: KubernetesInfo): Promise<string[]> {
  const chart = join(root, 'charts', 'blasty')
  const { stdout } = await run(kubernetes.helm, ['template', 'blasty', chart, '--namespace', systemNamespace])
  return parseAllDocuments(stdout)
    .filter(document => accessKinds.includes(String(document.get('kind'))))
    .map(document => document.toString({ directives: false }))
}

function credentials(role: Role, { nats, objectStore, search }: Backends): object {
  const user = nats?.users[role]
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `blasty-${role}`, namespace: systemNamespace },
    stringData: {
      ...(objectStore && { accessKey: objectStore.accessKey, secretKey: objectStore.secretKey }),
      ...(user && { natsUser: user.user, natsPassword: user.password }),
      ...(search && { searchKey: search.key }),
    },
  }
}

/** The class of Tables that name none, or undefined unless the stack has every backend. */
function backendClass({ nats, objectStore, search }: Backends): object | undefined {
  if (nats === undefined || objectStore === undefined || search === undefined) return undefined
  const secret = (role: Role) => ({ secretRef: { name: `blasty-${role}` } })
  return {
    apiVersion: 'blasty.dev/v1alpha1',
    kind: 'BackendClass',
    metadata: { name: 'standard', annotations: { 'blasty.dev/is-default-class': 'true' } },
    spec: {
      controllerName: 'blasty.dev/main',
      installationID: 'dev',
      objectStore: { endpoint: objectStore.endpoint, region: objectStore.region, pathStyle: true },
      streams: { servers: nats.servers, replicas: nats.servers.length },
      search: { hosts: [search.host] },
      credentials: { operator: secret('operator'), worker: secret('worker'), facade: secret('facade') },
    },
  }
}

/** Writes a kubeconfig that acts as the chart's service account of a role. */
async function roleKubeconfig(folder: string, kubernetes: KubernetesInfo, role: Role): Promise<string> {
  const file = join(folder, `kubeconfig-${role}`)
  const token = await serviceAccountToken(kubernetes, {
    namespace: systemNamespace,
    serviceAccount: `blasty-${role}`,
    expirationSeconds: tokenSeconds,
  })
  await writeKubeconfig(file, { ...kubernetes, token }, role)
  return file
}

/** Runs kubectl as administrator; `documents` go to its standard input as YAML. */
async function kubectl(
  kubernetes: KubernetesInfo,
  args: readonly string[],
  documents: readonly string[] = [],
): Promise<void> {
  const running = run(kubernetes.kubectl, ['--kubeconfig', kubernetes.kubeconfig, ...args])
  running.child.stdin?.end(documents.join('\n---\n'))
  await running
}
