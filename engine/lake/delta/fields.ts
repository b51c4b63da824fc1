/** Reads the fields of JSON objects that somebody else may have written. Absent and null are the same, as in Parquet. */

import { BlastyError } from '../../../base/errors.ts'

type Optional<K extends string, V> = { readonly [P in K]?: V }

export class Fields {
  /** Names what is read, in errors. */
  readonly lake: string
  readonly #path: string
  readonly #values: Readonly<Record<string, unknown>>

  /** Throws LAKE_CORRUPT, as every method does, when the value is not of the kind asked for. */
  constructor(value: unknown, lake: string, path = 'action') {
    this.lake = lake
    this.#path = path
    if (!isObject(value)) throw this.#wrong(path, 'an object')
    this.#values = value
  }

  text(name: string): string {
    return this.#required(name, this.textOr(name))
  }

  integer(name: string): number {
    return this.#required(name, this.integerOr(name))
  }

  flag(name: string): boolean {
    return this.#required(name, this.flagOr(name))
  }

  /** A map of texts; absent is empty. */
  texts(name: string): Readonly<Record<string, string>> {
    return this.textsOr(name) ?? {}
  }

  /** The object below `name`; undefined when there is none. */
  object(name: string): Fields | undefined {
    const value = this.#value(name)
    return value === undefined ? undefined : new Fields(value, this.lake, `${this.#path}.${name}`)
  }

  textOr(name: string): string | undefined {
    const value = this.#value(name)
    if (value === undefined || typeof value === 'string') return value
    throw this.#wrong(`${this.#path}.${name}`, 'text')
  }

  /** Whole numbers up to 2^53; beyond, JSON has already lost some of them. */
  integerOr(name: string): number | undefined {
    const value = this.#value(name)
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value
    throw this.#wrong(`${this.#path}.${name}`, 'a whole number below 2^53')
  }

  /** Undefined also when it is of another kind. */
  textIfAny(name: string): string | undefined {
    const value = this.#value(name)
    return typeof value === 'string' ? value : undefined
  }

  integerIfAny(name: string): number | undefined {
    const value = this.#value(name)
    return Number.isSafeInteger(value) ? Number(value) : undefined
  }

  flagOr(name: string): boolean | undefined {
    const value = this.#value(name)
    if (value === undefined || typeof value === 'boolean') return value
    throw this.#wrong(`${this.#path}.${name}`, 'true or false')
  }

  listOr(name: string): readonly string[] | undefined {
    const value = this.#value(name)
    if (value === undefined || isTextList(value)) return value
    throw this.#wrong(`${this.#path}.${name}`, 'a list of texts')
  }

  /** Values that are null, as another engine writes a null partition value, are left out. */
  textsOr(name: string): Readonly<Record<string, string>> | undefined {
    const values = this.object(name)
    if (values === undefined) return undefined
    return Object.fromEntries(
      Object.keys(values.#values).flatMap(key => {
        const text = values.textOr(key)
        return text === undefined ? [] : [[key, text]]
      }),
    )
  }

  #value(name: string): unknown {
    return (Object.hasOwn(this.#values, name) ? this.#values[name] : undefined) ?? undefined
  }

  #required<T>(name: string, value: T | undefined): T {
    if (value === undefined) throw this.#wrong(`${this.#path}.${name}`, 'there')
    return value
  }

  #wrong(path: string, kind: string): BlastyError {
    return new BlastyError('LAKE_CORRUPT', { lake: this.lake, problem: `${path} is not ${kind}` })
  }
}

/** An object with one property, or with none when the value is undefined. */
export function optional<K extends string, V>(name: K, value: V | undefined): Optional<K, V> {
  const property: Partial<Record<K, V>> = {}
  if (value !== undefined) property[name] = value
  return property
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isTextList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every(item => typeof item === 'string')
