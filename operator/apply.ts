/** Server-side apply, skipped when it would change nothing. */
import type { KubeClient } from './client.ts'
import { type Key, type Kind, type KubeObject, keyFor, keyOf, type Reconcilable } from './kind.ts'
import { wouldChange } from './ownership.ts'

export interface ApplyOptions {
  /** The manager that owns what is applied, and drops what it applied before and not now. */
  readonly fieldManager: string
  /** Take over fields that others own, instead of a KubeError whose `conflicts` names them. */
  readonly force?: boolean
}

/** An object to apply: only the fields that shall be owned. */
export interface Applied {
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    /** With the uid, only this very object is changed and none is made. */
    readonly uid?: string
  } & Readonly<Record<string, unknown>>
}

/** Applies `desired` and returns the object, or `live` itself when nothing would change. */
export async function applyObject<T extends KubeObject>(
  client: KubeClient,
  kind: Kind<T>,
  desired: Applied,
  live: T | undefined,
  options: ApplyOptions,
): Promise<T> {
  if (live !== undefined && !wouldChange(desired, live, options.fieldManager, '')) return live
  const key: Key = keyFor(desired.metadata.name, desired.metadata.namespace)
  const body = { apiVersion: kind.apiVersion, kind: kind.kind, ...desired }
  return client.patch(kind, key, body, { type: 'apply', ...options })
}

/**
 * Applies the whole status that `fieldManager` wants, by force: a status has one author. Returns `live` itself when
 * nothing would change.
 */
export async function applyStatus<T extends Reconcilable>(
  client: KubeClient,
  kind: Kind<T>,
  live: T,
  status: object,
  fieldManager: string,
): Promise<T> {
  if (!wouldChange({ status }, live, fieldManager, 'status')) return live
  const { name, namespace, uid } = live.metadata
  const metadata = { name, uid, ...(namespace === undefined ? {} : { namespace }) }
  const body = { apiVersion: kind.apiVersion, kind: kind.kind, metadata, status }
  return client.patch(kind, keyOf(live), body, { type: 'apply', subresource: 'status', fieldManager, force: true })
}
