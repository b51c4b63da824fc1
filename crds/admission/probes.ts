/** Values at and beyond each bound of a schema, put into a complete spec. */
import type { Schema } from '../load.ts'
import { pathText, walk } from '../walk.ts'

/** One spec to try: `fits` says whether the schema, rules apart, lets it in. */
export type Probe = { readonly title: string; readonly spec: unknown; readonly fits: boolean }

/** Probes of every bound below `schema`, each in a copy of `example`. */
export function* probes(schema: Schema, example: unknown): Generator<Probe> {
  for (const { schema: part, path } of walk(schema)) {
    const at = `spec.${pathText(path)}`.replace(/\.$/, '')
    for (const [what, value, fits] of values(part))
      yield { title: `${at} ${what}`, spec: withValue(example, path, value), fits }
    for (const name of part.required ?? [])
      yield { title: `${at} without ${name}`, spec: withValue(example, [...path, name], undefined), fits: false }
  }
}

type Value = readonly [what: string, value: unknown, fits: boolean]

function* values(schema: Schema): Generator<Value> {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems, minProperties, maxProperties } = schema
  for (const it of schema.enum ?? []) yield [`= ${it}`, it, true]
  if (schema.enum !== undefined) yield ['= a value not listed', 'Nonsense', false]
  if (minimum !== undefined) yield [`= ${minimum}`, minimum, true]
  if (minimum !== undefined) yield [`= ${minimum - 1}`, minimum - 1, false]
  if (maximum !== undefined) yield [`= ${maximum}`, maximum, true]
  if (maximum !== undefined) yield [`= ${maximum + 1}`, maximum + 1, false]
  if (minLength !== undefined) yield [`of ${minLength - 1} characters`, text(schema, minLength - 1), false]
  if (maxLength !== undefined) yield [`of ${maxLength} characters`, text(schema, maxLength), true]
  if (maxLength !== undefined) yield [`of ${maxLength + 1} characters`, text(schema, maxLength + 1), false]
  if (minItems !== undefined) yield [`of ${minItems - 1} items`, list(schema, minItems - 1), false]
  if (maxItems !== undefined) yield [`of ${maxItems} items`, list(schema, maxItems), true]
  if (maxItems !== undefined) yield [`of ${maxItems + 1} items`, list(schema, maxItems + 1), false]
  if (minProperties !== undefined) yield [`of ${minProperties - 1} entries`, map(schema, minProperties - 1), false]
  if (maxProperties !== undefined) yield [`of ${maxProperties} entries`, map(schema, maxProperties), true]
  if (maxProperties !== undefined) yield [`of ${maxProperties + 1} entries`, map(schema, maxProperties + 1), false]
  if (schema.pattern !== undefined) yield ['= a text that the pattern excludes', '?', false]
  if (schema.format === 'date-time') yield ['= a text that is no time', 'tomorrow', false]
}

function text(schema: Schema, length: number): string {
  return schema.format === 'date-time' ? `2027-01-01T00:00:00.${'0'.repeat(length - 21)}Z` : 'a'.repeat(length)
}

function list(schema: Schema, length: number): unknown[] {
  return Array.from({ length }, (_, i) => sample(schema.items ?? {}, i))
}

function map(schema: Schema, length: number): unknown {
  const values = schema.additionalProperties ?? {}
  return Object.fromEntries(Array.from({ length }, (_, i) => [`a${i}`, sample(values, i)]))
}

/** A value that fits the bounds of `schema`; different for each `i` where it can be. */
function sample(schema: Schema, i: number): unknown {
  if (schema.enum !== undefined) return schema.enum[i % schema.enum.length]
  if (schema.type === 'integer') return schema.minimum ?? 0
  if (schema.type === 'boolean') return false
  if (schema.type === 'array') return list(schema, schema.minItems ?? 0)
  if (schema.type !== 'object') return `a${i}`
  const required = (schema.required ?? []).map(name => [name, sample(schema.properties?.[name] ?? {}, i)])
  return Object.fromEntries(required)
}

/** A copy of `target` with `value` at `path`; what is missing on the way is made. Undefined takes the field out. */
function withValue(target: unknown, path: readonly string[], value: unknown): unknown {
  const [step, ...rest] = path
  if (step === undefined) return value
  if (step === '[]') {
    const items: unknown[] = Array.isArray(target) ? [...target] : []
    const [next] = rest
    const found = items.findIndex(item => next !== undefined && isRecord(item) && next in item)
    const index = Math.max(found, 0)
    items[index] = withValue(items[index], rest, value)
    return items
  }
  const object = isRecord(target) ? target : {}
  const name = step === '{}' ? (Object.keys(object)[0] ?? 'a') : step
  const { [name]: old, ...others } = object
  const changed = withValue(old, rest, value)
  return changed === undefined ? others : { ...others, [name]: changed }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
