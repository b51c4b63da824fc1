/** What a Table must be after a random history: its rows at each revision, and what each batch changed. */

import assert from 'node:assert/strict'
import type { Column, Row, TableSchema } from '../schema/schema.ts'

/** A row as it was written, with the revision that it has since. */
export type Version = { readonly row: Row; readonly revision: number }

/** A change as feeds tell it. `id` is the key or, where there is none, a name of the row's own. */
export type Told = { readonly id: string; readonly old: Version | undefined; readonly new: Version | undefined }

export type ToldBatch = { readonly revision: number; readonly changes: readonly Told[] }

export class Model {
  readonly rows = new Map<string, Version>()
  /** Those that changed a row. */
  readonly batches: ToldBatch[] = []
  /** Revisions that a put ever had. */
  readonly puts: number[] = []
  /** From the first to the newest. */
  readonly schemas: TableSchema[]
  last = 0
  /** Whether the log holds more than announcements of schemas, for which alone no lake is made. */
  begun = false

  constructor(first: TableSchema) {
    this.schemas = [first]
  }

  get newest(): TableSchema {
    const newest = this.schemas.at(-1)
    assert.ok(newest)
    return newest
  }

  /** The schema of somebody who has not heard of the last `behind`. */
  behind(behind: number): TableSchema {
    return this.schemas[Math.max(0, this.schemas.length - 1 - behind)] ?? this.newest
  }

  idOf(row: Row): string {
    return JSON.stringify(this.newest.primaryKey.map(name => row[name]))
  }

  /** Takes in what a batch did. */
  take(revision: number, changes: readonly Told[]): void {
    this.last = revision
    this.begun = true
    const real = changes.filter(({ old, new: next }) => old !== undefined || next !== undefined)
    if (real.length > 0) this.batches.push({ revision, changes: real })
    apply(this.rows, real)
    for (const { new: next } of real) if (next !== undefined) this.puts.push(next.revision)
  }

  /** The rows as they were at a revision. */
  rowsAt(revision: number): Version[] {
    const rows = new Map<string, Version>()
    for (const batch of this.batches) if (batch.revision <= revision) apply(rows, batch.changes)
    return [...rows.values()]
  }

  /** A row as a schema, the newest unless one is given, shows it. */
  shown({ row, revision }: Version, schema = this.newest): Row {
    const shown = Object.fromEntries(schema.columns.map(({ name }) => [name, row[name] ?? null]))
    return { ...shown, _revision: String(revision) }
  }
}

function apply(rows: Map<string, Version>, changes: readonly Told[]): void {
  for (const { id, new: next } of changes) {
    if (next === undefined) rows.delete(id)
    else rows.set(id, next)
  }
}

export const column = (field: number, name: string, rest: Partial<Column> = {}): Column => ({
  name,
  type: 'String',
  required: false,
  field,
  ...rest,
})

/** The next schema, with one more column, of a name that was never used. */
export function widened({ number, columns, ...rest }: TableSchema, added: Omit<Partial<Column>, 'name'>): TableSchema {
  return { ...rest, number: number + 1, columns: [...columns, column(100 + number, `c${number}`, added)] }
}

/** The next schema, without one of the columns that are no key; undefined when there are none but `kept`. */
export function narrowed(
  { number, columns, retired, ...rest }: TableSchema,
  which: number,
  kept: readonly string[],
): TableSchema | undefined {
  const some = columns.filter(({ name }) => !kept.includes(name))
  const gone = some[which % Math.max(1, some.length)]
  if (gone === undefined) return undefined
  return {
    ...rest,
    number: number + 1,
    columns: columns.filter(one => one !== gone),
    retired: [...retired, { name: gone.name, field: gone.field }],
  }
}

/** Rows of which the order is nobody's concern, as text that can be compared. */
export const inAnyOrder = (rows: readonly Row[]): string[] =>
  rows.map(row => JSON.stringify(row, (_, value: unknown) => ordered(value))).sort()

/** Fields of an object by name. */
function ordered(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
