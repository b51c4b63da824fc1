/** Kinds, objects and keys: all that the core knows of a Kubernetes resource. */

/** The part of metav1.ObjectMeta that the core reads. Objects in a cache keep the whole of it, but for `managedFields`. */
export interface ObjectMeta {
  readonly name: string
  readonly namespace?: string
  readonly uid: string
  readonly resourceVersion: string
  readonly generation?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly finalizers?: readonly string[]
  /** RFC 3339; set once somebody asked for the deletion. */
  readonly deletionTimestamp?: string
  readonly creationTimestamp?: string
  readonly managedFields?: readonly ManagedFields[]
}

/** Whose fields are whose, metav1.ManagedFieldsEntry. */
export interface ManagedFields {
  readonly manager?: string
  readonly operation?: string
  readonly subresource?: string
  readonly fieldsV1?: unknown
}

/** Any object of the API. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
}

/** A condition as metav1.Condition has it. */
export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  /** RFC 3339; when `status`, not the text, last changed. */
  readonly lastTransitionTime: string
  readonly observedGeneration?: number
}

/** An object that a controller can reconcile: it has a status with conditions. */
export interface Reconcilable extends KubeObject {
  readonly status?: { readonly observedGeneration?: number; readonly conditions?: readonly Condition[] }
}

/** A custom resource with its own spec and status. */
export interface CustomObject<Spec, Status extends Reconcilable['status']> extends KubeObject {
  readonly spec: Spec
  readonly status?: Exclude<Status, undefined>
}

/** Names a resource of the API and turns what the server sends into `T`. */
export interface Kind<T extends KubeObject = KubeObject> {
  /** Empty for the core group. */
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  readonly namespaced: boolean
  /** `group/version`, or `version` in the core group. */
  readonly apiVersion: string
  /** Throws a TypeError when `raw` is not an object with name, uid and resourceVersion. */
  readonly decode: (raw: unknown) => T
}

type KindNames = { group: string; version: string; kind: string; plural: string; namespaced: boolean }

/** Declares a kind. The shape of `T` beyond its metadata is vouched for by the schema that the API server enforces. */
export function defineKind<T extends KubeObject>(names: KindNames): Kind<T> {
  const apiVersion = names.group === '' ? names.version : `${names.group}/${names.version}`
  // Items of a list come without apiVersion and kind when the resource is built in.
  const decode = (raw: unknown): T => ({ apiVersion, kind: names.kind, ...checked(raw, names.kind) }) as unknown as T
  return Object.freeze({ ...names, apiVersion, decode })
}

function checked(raw: unknown, kind: string): object {
  if (isRecord(raw) && isRecord(raw.metadata)) {
    const { name, uid, resourceVersion } = raw.metadata
    if (typeof name === 'string' && typeof uid === 'string' && typeof resourceVersion === 'string') return raw
  }
  throw new TypeError(`the API server sent something that is no ${kind}: its name, uid or resourceVersion is missing`)
}

/** True for a plain JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `namespace/name`, or `name` for what is cluster-scoped. */
export type Key = string & { readonly brand: 'operator.Key' }

/** The key of a name; leave the namespace out for what is cluster-scoped. */
export function keyFor(name: string, namespace?: string): Key {
  return (namespace === undefined || namespace === '' ? name : `${namespace}/${name}`) as Key
}

export function keyOf(object: KubeObject): Key {
  return keyFor(object.metadata.name, object.metadata.namespace)
}

export function splitKey(key: Key): { readonly name: string; readonly namespace?: string } {
  const slash = key.indexOf('/')
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}

/** `plural.group`, as kubectl and RBAC name a resource. */
export function resourceName(kind: Kind): string {
  return kind.group === '' ? kind.plural : `${kind.plural}.${kind.group}`
}

/** The path of a collection, or of one object. */
export function pathOf(kind: Kind, key?: Key, subresource?: string): string {
  const base = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`
  if (key === undefined) return `${base}/${kind.plural}`
  const { name, namespace } = splitKey(key)
  const scope = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`
  const tail = name === '' ? '' : `/${encodeURIComponent(name)}`
  return `${base}${scope}/${kind.plural}${tail}${subresource === undefined ? '' : `/${subresource}`}`
}

/**
 * Orders two resource versions of the same resource: below zero when `a` is older. They are decimal numbers of any
 * length (KEP-5504, comparable resource versions).
 */
export function compareResourceVersions(a: string, b: string): number {
  return a.length === b.length ? (a < b ? -1 : a > b ? 1 : 0) : a.length - b.length
}
