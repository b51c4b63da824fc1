/** Whether a server-side apply would change anything, told from the object held and its managed fields. */
import { isDeepStrictEqual } from 'node:util'
import { isRecord, type KubeObject } from './kind.ts'

/**
 * True when `manager` applying `desired` would change `live`: a field is missing or differs, or the manager owns one
 * that it no longer wants. `subresource` is '' for the object itself. Kubernetes API reference, FieldsV1.
 */
export function wouldChange(desired: object, live: KubeObject, manager: string, subresource: '' | 'status'): boolean {
  const entry = live.metadata.managedFields?.find(
    fields => fields.manager === manager && fields.operation === 'Apply' && (fields.subresource ?? '') === subresource,
  )
  if (entry === undefined) return true
  return !covers(desired, live, entry.fieldsV1) || ownsMore(entry.fieldsV1, desired)
}

/** True when all of `desired` is in `live`. What `owned` says of a list tells how the server merges it. */
function covers(desired: unknown, live: unknown, owned: unknown): boolean {
  if (isRecord(desired)) {
    if (!isRecord(live)) return false
    return Object.entries(desired).every(
      ([name, value]) => value === undefined || covers(value, live[name], fieldOf(owned, `f:${name}`)),
    )
  }
  if (!Array.isArray(desired) || !Array.isArray(live)) return isDeepStrictEqual(desired, live)
  const keys = Object.keys(isRecord(owned) ? owned : {})
  if (keys.some(key => key.startsWith('k:'))) {
    return desired.every(item => {
      const entry = keys.find(key => key.startsWith('k:') && matches(key, item))
      if (entry === undefined) return false
      return covers(
        item,
        live.find(other => matches(entry, other)),
        fieldOf(owned, entry),
      )
    })
  }
  if (keys.some(key => key.startsWith('v:')))
    return desired.every(item => live.some(other => isDeepStrictEqual(item, other)))
  return isDeepStrictEqual(desired, live)
}

/** True when `owned` names something that `desired` lacks. */
function ownsMore(owned: unknown, desired: unknown): boolean {
  if (!isRecord(owned)) return false
  return Object.entries(owned).some(([field, rest]) => {
    if (field === '.') return false
    const found = lookUp(desired, field)
    return found === undefined || ownsMore(rest, found)
  })
}

function lookUp(desired: unknown, field: string): unknown {
  if (field.startsWith('f:')) return isRecord(desired) ? desired[field.slice(2)] : undefined
  if (!Array.isArray(desired)) return undefined
  if (field.startsWith('k:')) return desired.find(item => matches(field, item))
  const wanted: unknown = JSON.parse(field.slice(2))
  return desired.find(item => isDeepStrictEqual(item, wanted))
}

/** True when `item` has the key fields that an entry such as `k:{"type":"Ready"}` names. */
function matches(entry: string, item: unknown): boolean {
  const keys: unknown = JSON.parse(entry.slice(2))
  if (!isRecord(keys) || !isRecord(item)) return false
  return Object.entries(keys).every(([name, value]) => isDeepStrictEqual(item[name], value))
}

function fieldOf(owned: unknown, field: string): unknown {
  return isRecord(owned) ? owned[field] : undefined
}
