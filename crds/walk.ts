/** Visits every schema inside a schema. */
import type { Schema } from './load.ts'

export type Visit = {
  readonly schema: Schema
  /** Steps from the root: a property's name, `[]` for the items of a list, `{}` for the values of a map. */
  readonly path: readonly string[]
}

/** `schema` and everything below it, parents first. */
export function* walk(schema: Schema, path: readonly string[] = []): Generator<Visit> {
  yield { schema, path }
  for (const [name, property] of Object.entries(schema.properties ?? {})) yield* walk(property, [...path, name])
  if (schema.items !== undefined) yield* walk(schema.items, [...path, '[]'])
  if (schema.additionalProperties !== undefined) yield* walk(schema.additionalProperties, [...path, '{}'])
}

/** A path as people write it: `spec.columns[].name`. */
export function pathText(path: readonly string[]): string {
  return path.join('.').replaceAll('.[]', '[]').replaceAll('.{}', '{}')
}
