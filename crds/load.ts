/** Reads the custom resource definitions of this folder. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'

/** A validation rule in CEL (Kubernetes: x-kubernetes-validations). */
export type Rule = { readonly rule: string; readonly message: string; readonly fieldPath?: string }

/** The part of a structural schema that the definitions here use. */
export type Schema = {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean'
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly string[]
  readonly format?: string
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly minProperties?: number
  readonly maxProperties?: number
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly 'x-kubernetes-int-or-string'?: boolean
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-validations'?: readonly Rule[]
}

export type CustomResourceDefinition = {
  readonly apiVersion: 'apiextensions.k8s.io/v1'
  readonly kind: 'CustomResourceDefinition'
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly group: string
    readonly scope: 'Namespaced' | 'Cluster'
    readonly names: {
      readonly kind: string
      readonly listKind: string
      readonly plural: string
      readonly singular: string
      readonly shortNames?: readonly string[]
      readonly categories?: readonly string[]
    }
    readonly versions: readonly {
      readonly name: string
      readonly served: boolean
      readonly storage: boolean
      readonly schema: { readonly openAPIV3Schema: Schema }
    }[]
  }
}

/**
 * Every definition, by file name in order.
 * @throws Error when a file does not hold exactly one definition.
 */
export async function loadCrds(folder: string = import.meta.dirname): Promise<CustomResourceDefinition[]> {
  const files = (await readdir(folder)).filter(name => name.endsWith('.yaml')).sort()
  return Promise.all(
    files.map(async file => {
      const document: unknown = parse(await readFile(join(folder, file), 'utf8'))
      if (!isCrd(document)) throw new Error(`${file} is not a CustomResourceDefinition with one version`)
      return document
    }),
  )
}

/** The schema of the one version of `crd`. */
export function schemaOf(crd: CustomResourceDefinition): Schema {
  const [version] = crd.spec.versions
  if (version === undefined) throw new Error(`${crd.metadata.name} has no version`)
  return version.schema.openAPIV3Schema
}

function isCrd(value: unknown): value is CustomResourceDefinition {
  return (
    isRecord(value) &&
    value.apiVersion === 'apiextensions.k8s.io/v1' &&
    value.kind === 'CustomResourceDefinition' &&
    isRecord(value.spec) &&
    isRecord(value.spec.names) &&
    Array.isArray(value.spec.versions) &&
    value.spec.versions.length === 1 &&
    value.spec.versions.every(version => isRecord(version) && isRecord(version.schema))
  )
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
