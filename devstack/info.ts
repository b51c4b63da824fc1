/** What a running stack offers, as plain JSON: endpoints, credentials, kubeconfigs. */

/** The parts of Blasty, each with its own credentials. */
export const roles = ['operator', 'worker', 'facade'] as const

export type Role = (typeof roles)[number]

export type NatsInfo = {
  /** Addresses for clients, `nats://host:port`. */
  readonly servers: readonly string[]
  /** Users of the one account; all have JetStream. */
  readonly users: Readonly<Record<Role, { readonly user: string; readonly password: string }>>
}

export type ObjectStoreInfo = {
  readonly endpoint: string
  readonly region: string
  readonly accessKey: string
  readonly secretKey: string
}

export type SearchInfo = {
  readonly host: string
  readonly key: string
  /** What answers there. */
  readonly kind: 'meilisearch' | 'stand-in'
}

export type KubernetesInfo = {
  /** Address of the apiserver. */
  readonly server: string
  /** Certificates to trust, as PEM. */
  readonly ca: string
  /** Bearer token of an administrator. */
  readonly token: string
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string
  /** Paths of kubeconfigs that act as the service accounts of the chart. Absent unless Blasty was installed. */
  readonly kubeconfigs?: Readonly<Record<Role, string>>
  /** Paths of programs that fit this server. */
  readonly kubectl: string
  readonly helm: string
}

export type TrinoInfo = {
  /** Address, `http://host:port`; any user name is believed. */
  readonly server: string
  /** The catalogue of Delta tables in the object store. */
  readonly catalog: string
}

/** Where other processes ask for what starts on demand (`on-demand.ts`). */
export type OnDemandInfo = { readonly url: string; readonly token: string }

/** A part is there when the stack was started with it. */
export type StackInfo = {
  /** Folder of everything the stack keeps. */
  readonly folder: string
  /** Folder of the servers' logs. */
  readonly logs: string
  readonly nats?: NatsInfo
  readonly objectStore?: ObjectStoreInfo
  readonly search?: SearchInfo
  readonly kubernetes?: KubernetesInfo
  /** There when it was started with the stack; otherwise it may be started on demand. */
  readonly trino?: TrinoInfo
  readonly onDemand?: OnDemandInfo
  /** `host:port` of the facade's gRPC, when the roles run as well. */
  readonly grpc?: string
}

export const parts = ['kubernetes', 'nats', 'objectStore', 'search', 'trino'] as const

export type Part = (typeof parts)[number]

/** A stack known to have these parts. */
export type StackWith<P extends Part> = StackInfo & { readonly [K in P]-?: NonNullable<StackInfo[K]> }

/** Checks that the stack has the parts; throws with the missing one's name. */
export function withParts<P extends Part>(info: StackInfo, ...wanted: P[]): StackWith<P> {
  const has = (candidate: StackInfo): candidate is StackWith<P> => wanted.every(part => candidate[part] !== undefined)
  if (has(info)) return info
  const missing = wanted.filter(part => info[part] === undefined)
  throw new Error(`this stack was started without ${missing.join(', ')}`)
}
