/** The definitions as they will be once what is refused as not built is built: it shows that a rule is all that has to go. */
import type { CustomResourceDefinition, Rule, Schema } from '../load.ts'

/** True for a rule that refuses what this version has not built. */
export function isNotBuilt(rule: Rule): boolean {
  return rule.message.includes('not built in this version')
}

/** `crd` in another API group and without its rules about what is not built. */
export function opened(crd: CustomResourceDefinition, group: string): CustomResourceDefinition {
  const { plural } = crd.spec.names
  return {
    ...crd,
    metadata: { name: `${plural}.${group}` },
    spec: {
      ...crd.spec,
      group,
      names: { ...crd.spec.names, shortNames: [], categories: [] },
      versions: crd.spec.versions.map(version => ({
        ...version,
        schema: { openAPIV3Schema: openedSchema(version.schema.openAPIV3Schema) },
      })),
    },
  }
}

function openedSchema(schema: Schema): Schema {
  const { properties, items, additionalProperties, 'x-kubernetes-validations': rules, ...rest } = schema
  return {
    ...rest,
    ...(rules && { 'x-kubernetes-validations': rules.filter(rule => !isNotBuilt(rule)) }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, it]) => [name, openedSchema(it)])),
    }),
    ...(items && { items: openedSchema(items) }),
    ...(additionalProperties && { additionalProperties: openedSchema(additionalProperties) }),
  }
}
