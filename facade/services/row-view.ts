/**
 * What of a Table a caller sees under policies that limit rows and columns: any limit whose condition holds for a row shows its
 * columns of that row, and the key. The rest of a row is as if it were null, and a row that no limit shows as if it were not there.
 */

import type { ServedTable } from '../../directory/directory.ts'
import type { RowTest } from '../../engine/feed/event.ts'
import { type Predicate, toSql } from '../../engine/predicate/predicate.ts'
import { StoredRow } from '../../engine/replica/change.ts'
import { commitTimeColumn, revisionColumn } from '../../engine/replica/sql-types.ts'
import type { RowCodec } from '../../engine/schema/rows.ts'
import type { Row, TableSchema } from '../../engine/schema/schema.ts'
import type { CallersView } from '../../engine/sql/query.ts'
import { quoteIdentifier } from '../../engine/sql/quote.ts'
import type { Table } from '../../engine/table.ts'

/** A rule's limit, compiled. Without a predicate it shows every row, without columns all of them. */
export type RowLimit = {
  readonly predicate: Predicate | undefined
  readonly test: RowTest
  readonly columns: readonly string[] | undefined
}

export type RowView = {
  /** The row as the caller sees it; undefined when it does not. */
  readonly see: (row: StoredRow, codec: RowCodec) => StoredRow | undefined
  /** The same for SQL; no row makes it fail. Undefined: everything is seen. */
  readonly select: CallersView | undefined
}

/** A Table of which a caller may read what the view shows. */
export type Viewed = { readonly table: Table; readonly view: RowView }
export type Readable = Viewed & { readonly served: ServedTable }

export const wholeTable: RowView = { see: row => row, select: undefined }

/** The view through one or more limits. */
export function limitedView(schema: TableSchema, limits: readonly RowLimit[]): RowView {
  const names = schema.columns.map(({ name }) => name)
  const key = new Set(schema.primaryKey)
  const shows = ({ columns }: RowLimit, name: string) =>
    key.has(name) || columns === undefined || columns.includes(name)
  return {
    see: (stored, codec) => {
      const row = stored.row(codec)
      const holding = limits.filter(({ test }) => test(row))
      if (holding.length === 0) return undefined
      const seen: Record<string, Row[string]> = {}
      for (const name of names) {
        const value = row[name] ?? null
        if (value !== null && holding.some(limit => shows(limit, name))) seen[name] = value
      }
      return new StoredRow(stored.revision, stored.commitTime, Buffer.from(JSON.stringify(seen)))
    },
    select: (table, wanted) => {
      const columns = names
        .filter(name => wanted === undefined || wanted.has(name))
        .flatMap(name => {
          const showing = limits.filter(limit => shows(limit, name))
          const quoted = quoteIdentifier(name)
          if (showing.length === limits.length) return [quoted]
          return showing.length === 0 ? [] : [`CASE WHEN ${anyOf(showing)} THEN ${quoted} END AS ${quoted}`]
        })
      const from = `FROM ${quoteIdentifier(table)} WHERE ${anyOf(limits)}`
      return `SELECT ${[...columns, revisionColumn, commitTimeColumn].join(', ')} ${from}`
    },
  }
}

const anyOf = (limits: readonly RowLimit[]): string =>
  limits.map(({ predicate }) => (predicate === undefined ? 'TRUE' : `(${toSql(predicate)})`)).join(' OR ')
