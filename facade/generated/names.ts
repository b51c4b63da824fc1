/** Protobuf names of the fields of a Table's messages. */

/**
 * Field names of columns, by column name: the column's own, unless it is not lower_snake_case (`a__b`) or protobuf would
 * hold it for another (`a_1` and `a1`); then it is made unique with the field number. Columns are taken in the order of their field
 * numbers, retired ones too, so a new column never changes the name of an older one.
 */
export function fieldNames(columns: readonly { readonly name: string; readonly field: number }[]): Map<string, string> {
  const taken = new Set<string>()
  const names = new Map<string, string>()
  for (const { name, field } of columns.toSorted((a, b) => a.field - b.field)) {
    let unique = name.replace(/_+/g, '_').replace(/_$/, '')
    if (unique !== name) unique = `${unique}_f${field}`
    while (taken.has(unique.replaceAll('_', ''))) unique = `${unique}_f${field}`
    taken.add(unique.replaceAll('_', ''))
    names.set(name, unique)
  }
  return names
}

/** The JSON name protobuf gives a field unless told otherwise: lowerCamelCase. */
export const defaultJsonName = (field: string): string =>
  field.replace(/_+(.)/g, (_, letter: string) => letter.toUpperCase())
