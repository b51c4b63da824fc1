/**
 * From the wish to the schema in force: pure. A nullable column may be added and a column retired, all else is refused.
 * The rules on transitions are those of the Table's admission (`crds/blasty.dev_tables.yaml`), held against the schema in
 * force rather than the last spec.
 */

import type { Column, ScalarType, TableSchema, ValueType } from './schema.ts'

/** A column as the Table's spec has it. */
export type WantedColumn = {
  readonly name: string
  readonly type: ScalarType | 'Array'
  readonly precision?: number
  readonly scale?: number
  readonly items?: ValueType
  readonly required: boolean
}

/** The part of a Table's spec that makes its schema. */
export type WantedSchema = {
  readonly columns: readonly WantedColumn[]
  readonly primaryKey?: readonly string[]
  readonly eventTime?: { readonly column: string; readonly maxLatenessSeconds: number }
}

export type SchemaPlan =
  | { readonly kind: 'same'; readonly schema: TableSchema }
  /** To be written under its number, one more than the last. */
  | { readonly kind: 'next'; readonly schema: TableSchema }
  | { readonly kind: 'refused'; readonly problems: readonly string[] }

/** Most retired columns that a schema remembers. */
export const maxRetired = 800

/** Field numbers that protobuf keeps for itself (protobuf language guide, assigning field numbers). */
const reservedFields = { first: 19_000, last: 19_999 }

/** The schema that `wanted` leads to from the one in force; undefined: there is none yet. */
export function planSchema(wanted: WantedSchema, inForce: TableSchema | undefined): SchemaPlan {
  const key = wanted.primaryKey ?? []
  const columns = wanted.columns.map(column => ({ ...column, required: column.required || key.includes(column.name) }))
  if (inForce === undefined) return { kind: 'next', schema: firstSchema(columns, wanted) }
  const problems = problemsOf(columns, wanted, inForce)
  if (problems.length > 0) return { kind: 'refused', problems }
  const added = columns.filter(({ name }) => !inForce.columns.some(column => column.name === name))
  const gone = inForce.columns.filter(({ name }) => !columns.some(column => column.name === name))
  const lateness = wanted.eventTime?.maxLatenessSeconds
  if (added.length === 0 && gone.length === 0 && lateness === inForce.eventTime?.maxLatenessSeconds)
    return { kind: 'same', schema: inForce }
  const kept = inForce.columns.filter(column => !gone.includes(column))
  const schema: TableSchema = {
    number: inForce.number + 1,
    columns: [...kept, ...numbered(added, lastField(inForce))],
    retired: [...inForce.retired, ...gone.map(({ name, field }) => ({ name, field }))],
    primaryKey: inForce.primaryKey,
    ...(wanted.eventTime && { eventTime: wanted.eventTime }),
  }
  return { kind: 'next', schema }
}

function firstSchema(columns: readonly WantedColumn[], wanted: WantedSchema): TableSchema {
  return {
    number: 1,
    columns: numbered(columns, 0),
    retired: [],
    primaryKey: wanted.primaryKey ?? [],
    ...(wanted.eventTime && { eventTime: wanted.eventTime }),
  }
}

function problemsOf(columns: readonly WantedColumn[], wanted: WantedSchema, inForce: TableSchema): string[] {
  const problems: string[] = []
  const key = wanted.primaryKey ?? []
  if (JSON.stringify(key) !== JSON.stringify(inForce.primaryKey)) {
    problems.push('primaryKey is immutable, set or unset: every record of the log is filed under it')
  }
  if (wanted.eventTime?.column !== inForce.eventTime?.column) {
    problems.push('eventTime.column is immutable, set or unset')
  }
  for (const name of inForce.primaryKey) {
    if (!columns.some(column => column.name === name))
      problems.push(`key column ${name} can be neither missing nor retired`)
  }
  const former = new Map(inForce.columns.map(column => [column.name, column]))
  const retired = new Set(inForce.retired.map(({ name }) => name))
  for (const column of columns) {
    const before = former.get(column.name)
    if (before !== undefined) problems.push(...changesOf(column, before))
    else if (retired.has(column.name)) {
      problems.push(`column ${column.name} was retired and cannot come back, its name stays reserved`)
    } else if (column.required) {
      problems.push(`column ${column.name} is added and must be nullable: rows already written have no value for it`)
    }
  }
  const gone = inForce.columns.filter(({ name }) => !columns.some(column => column.name === name)).length
  if (inForce.retired.length + gone > maxRetired) problems.push(`more than ${maxRetired} columns would be retired`)
  return problems
}

function changesOf(column: WantedColumn, before: Column): string[] {
  const { name } = column
  const way = 'retire the column and add one of another name'
  if (column.type !== before.type) return [`the type of column ${name} cannot change; ${way}`]
  const problems: string[] = []
  if (column.precision !== before.precision || column.scale !== before.scale) {
    problems.push(`the precision and scale of column ${name} cannot change; ${way}`)
  }
  if (!sameItems(column.items, before.items)) problems.push(`the items of column ${name} cannot change; ${way}`)
  if (column.required !== before.required) problems.push(`required of column ${name} cannot change; ${way}`)
  return problems
}

function sameItems(a: ValueType | undefined, b: ValueType | undefined): boolean {
  return a?.type === b?.type && a?.precision === b?.precision && a?.scale === b?.scale
}

/** The greatest field number ever given. */
function lastField(schema: TableSchema): number {
  return Math.max(0, ...schema.columns.map(({ field }) => field), ...schema.retired.map(({ field }) => field))
}

/** Gives columns the next field numbers; none is ever given twice. */
function numbered(columns: readonly WantedColumn[], after: number): Column[] {
  let field = after
  return columns.map(({ name, type, precision, scale, items, required }) => {
    field += 1
    if (field >= reservedFields.first && field <= reservedFields.last) field = reservedFields.last + 1
    return {
      name,
      type,
      ...(precision === undefined ? {} : { precision }),
      ...(scale === undefined ? {} : { scale }),
      ...(items === undefined ? {} : { items: valueType(items) }),
      required,
      field,
    }
  })
}

function valueType({ type, precision, scale }: ValueType): ValueType {
  return { type, ...(precision === undefined ? {} : { precision }), ...(scale === undefined ? {} : { scale }) }
}
