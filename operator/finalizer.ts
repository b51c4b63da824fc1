/** One finalizer for all kinds: stored before anything outside is made, removed once nothing outside is left. */
import type { KubeClient } from './client.ts'
import { type Kind, type KubeObject, keyOf } from './kind.ts'
import { isConflict, isNotFound } from './kube-error.ts'

export function hasFinalizer(object: KubeObject, finalizer: string): boolean {
  return object.metadata.finalizers?.includes(finalizer) ?? false
}

/** Stores the finalizer and returns the object with it. Undefined when the object is gone or being deleted: make nothing. */
export async function storeFinalizer<T extends KubeObject>(
  client: KubeClient,
  kind: Kind<T>,
  object: T,
  finalizer: string,
  fieldManager: string,
): Promise<T | undefined> {
  if (hasFinalizer(object, finalizer)) return object
  return change(client, kind, object, fieldManager, now =>
    now.metadata.deletionTimestamp === undefined ? [...without(now, finalizer), finalizer] : undefined,
  )
}

/** Removes the finalizer; it is no error when the object is gone. */
export async function removeFinalizer<T extends KubeObject>(
  client: KubeClient,
  kind: Kind<T>,
  object: T,
  finalizer: string,
  fieldManager: string,
): Promise<void> {
  await change(client, kind, object, fieldManager, now =>
    hasFinalizer(now, finalizer) ? without(now, finalizer) : undefined,
  )
}

/** True when the owner gave up on what is outside: the annotation names the very object by its uid. */
export function isAbandoned(object: KubeObject, annotation: string): boolean {
  return object.metadata.annotations?.[annotation] === object.metadata.uid
}

/** Writes what `wanted` makes of the list, unless that is undefined; on a conflict looks again, a few times. */
async function change<T extends KubeObject>(
  client: KubeClient,
  kind: Kind<T>,
  object: T,
  fieldManager: string,
  wanted: (now: T) => readonly string[] | undefined,
): Promise<T | undefined> {
  let now = object
  for (let tries = 1; ; tries++) {
    const finalizers = wanted(now)
    if (finalizers === undefined) return undefined
    try {
      const { uid, resourceVersion } = now.metadata
      const patch = { metadata: { uid, resourceVersion, finalizers } }
      return await client.patch(kind, keyOf(now), patch, { type: 'merge', fieldManager })
    } catch (error) {
      if (isNotFound(error)) return undefined
      if (!isConflict(error) || tries === 5) throw error
      const fresh = await found(client, kind, now)
      if (fresh === undefined) return undefined
      now = fresh
    }
  }
}

async function found<T extends KubeObject>(client: KubeClient, kind: Kind<T>, object: T): Promise<T | undefined> {
  try {
    const fresh = await client.get(kind, keyOf(object))
    return fresh.metadata.uid === object.metadata.uid ? fresh : undefined
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

function without(object: KubeObject, finalizer: string): string[] {
  return (object.metadata.finalizers ?? []).filter(name => name !== finalizer)
}
