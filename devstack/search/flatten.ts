/** Walks a document the way Meilisearch flattens it: `a.b` for nested fields, arrays spread over their field. */
import type { Doc, Json } from './json.ts'

/** What one document holds in one (possibly nested) field. */
export type FieldValue = {
  isNull: boolean
  isEmpty: boolean
  /** Numbers and strings; booleans are the strings `true` and `false`; empty strings are not values. */
  values: (number | string)[]
}

/** Whether `path` is `pattern`, lies below it, or fits its `*`. */
export function matchesPattern(pattern: string, path: string): boolean {
  if (pattern === '*' || pattern === path) return true
  if (pattern.startsWith('*')) return path.endsWith(pattern.slice(1))
  if (pattern.endsWith('*')) return path.startsWith(pattern.slice(0, -1))
  return path.length > pattern.length && path.startsWith(pattern) && path[pattern.length] === '.'
}

/** Facet values of every field that `wanted` admits. */
export function facetValues(doc: Doc, wanted: (path: string) => boolean): Map<string, FieldValue> {
  const found = new Map<string, FieldValue>()
  const at = (path: string): FieldValue | undefined => {
    if (!wanted(path)) return undefined
    let field = found.get(path)
    if (!field) {
      field = { isNull: false, isEmpty: false, values: [] }
      found.set(path, field)
    }
    return field
  }
  const visit = (path: string, value: Json): void => {
    const field = at(path)
    if (value === null) {
      if (field) field.isNull = true
    } else if (Array.isArray(value)) {
      if (field && value.length === 0) field.isEmpty = true
      for (const item of value) visitItem(path, item, field)
    } else visitItem(path, value, field)
  }
  const visitItem = (path: string, value: Json, field: FieldValue | undefined): void => {
    if (value === null) return
    if (Array.isArray(value)) {
      for (const item of value) visitItem(path, item, field)
    } else if (typeof value === 'object') {
      const names = Object.keys(value)
      if (field && names.length === 0) field.isEmpty = true
      for (const name of names) visit(`${path}.${name}`, value[name] ?? null)
    } else if (field) {
      if (value === '') field.isEmpty = true
      else field.values.push(typeof value === 'boolean' ? String(value) : value)
    }
  }
  for (const name in doc) if (name !== '_geo' && name !== '_vectors') visit(name, doc[name] ?? null)
  return found
}

/** The texts of every field that `wanted` admits; an array gives several. */
export function texts(doc: Doc, wanted: (path: string) => boolean): Map<string, string[]> {
  const found = new Map<string, string[]>()
  const visit = (path: string, value: Json): void => {
    if (value === null) return
    if (Array.isArray(value)) for (const item of value) visit(path, item)
    else if (typeof value === 'object') for (const name in value) visit(`${path}.${name}`, value[name] ?? null)
    else if (wanted(path)) {
      const list = found.get(path)
      if (list) list.push(String(value))
      else found.set(path, [String(value)])
    }
  }
  for (const name in doc) if (name !== '_geo' && name !== '_vectors') visit(name, doc[name] ?? null)
  return found
}
