/** Column types of Trino as its client protocol describes them, read once a result. */

/** `zoned` times are points in time; the others are dates with a time of day, in no zone. */
export type TrinoType =
  | { readonly kind: 'boolean' }
  | { readonly kind: 'int32' }
  | { readonly kind: 'int64' }
  | { readonly kind: 'double' }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'text' }
  | { readonly kind: 'bytes' }
  | { readonly kind: 'date' }
  | { readonly kind: 'timestamp'; readonly zoned: boolean }
  | { readonly kind: 'array'; readonly element: TrinoType }
  | { readonly kind: 'map'; readonly key: TrinoType; readonly value: TrinoType }
  | { readonly kind: 'row'; readonly fields: readonly { readonly name: string; readonly type: TrinoType }[] }
  /** A type without a form of its own here; its values stay as Trino writes them. */
  | { readonly kind: 'other'; readonly name: string }

const simple: Readonly<Record<string, TrinoType>> = {
  boolean: { kind: 'boolean' },
  tinyint: { kind: 'int32' },
  smallint: { kind: 'int32' },
  integer: { kind: 'int32' },
  bigint: { kind: 'int64' },
  real: { kind: 'double' },
  double: { kind: 'double' },
  varchar: { kind: 'text' },
  char: { kind: 'text' },
  json: { kind: 'text' },
  uuid: { kind: 'text' },
  varbinary: { kind: 'bytes' },
  date: { kind: 'date' },
  timestamp: { kind: 'timestamp', zoned: false },
  'timestamp with time zone': { kind: 'timestamp', zoned: true },
}

/** Reads a `typeSignature` of the protocol. Throws a TypeError when it is none. */
export function readType(signature: unknown): TrinoType {
  const { rawType, arguments: given = [] } = asObject(signature)
  if (typeof rawType !== 'string' || !Array.isArray(given)) throw new TypeError('a type without a name')
  const found = simple[rawType]
  if (found !== undefined) return found
  const parts: unknown[] = given.map(argument => asObject(argument).value)
  switch (rawType) {
    case 'decimal':
      return { kind: 'decimal', precision: Number(parts[0]), scale: Number(parts[1]) }
    case 'array':
      return { kind: 'array', element: readType(parts[0]) }
    case 'map':
      return { kind: 'map', key: readType(parts[0]), value: readType(parts[1]) }
    case 'row':
      return { kind: 'row', fields: parts.map(readField) }
    default:
      return { kind: 'other', name: rawType }
  }
}

/** A field without a name is called by its place, from 0. */
function readField(part: unknown, index: number): { readonly name: string; readonly type: TrinoType } {
  const { fieldName, typeSignature } = asObject(part)
  const name = fieldName === null || fieldName === undefined ? String(index) : asObject(fieldName).name
  if (typeof name !== 'string') throw new TypeError('a field without a name')
  return { name, type: readType(typeSignature) }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (!isObject(value)) throw new TypeError(`no object: ${JSON.stringify(value)}`)
  return value
}

/** True for what JSON writes in braces. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
