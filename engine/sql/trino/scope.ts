/** FROM in Trino's words, and what the names of columns stand for there. */

import { identifier, qualified } from '../../../backends/trino/tables.ts'
import { BlastyError } from '../../../base/errors.ts'
import { commitTimeColumn, revisionColumn } from '../../replica/sql-types.ts'
import type { Column } from '../../schema/schema.ts'
import { foldName } from '../quote.ts'
import { isNode, listAt, nodeAt, type TreeNode, textAt } from '../tree.ts'
import { type SqlType, type Term, typeOf, untranslated } from './types.ts'

/** A Table as Trino knows it, at one version of its lake. */
export type LakeTable = {
  readonly catalog: string
  readonly schema: string
  readonly table: string
  readonly version: number
  readonly columns: readonly Column[]
}

type Source = {
  /** By which the statement calls it, lower case. */
  readonly name: string
  /** By which the text calls it. */
  readonly alias: string
  readonly columns: readonly { readonly name: string; readonly type: SqlType }[]
}

/** Fields of the column types that have some. */
const fields: Readonly<Record<string, Readonly<Record<string, SqlType>>>> = {
  GeoPoint: { lat: { kind: 'Double' }, lon: { kind: 'Double' } },
  Blob: { sha256: { kind: 'String' }, size: { kind: 'Int64' }, type: { kind: 'String' } },
}

export class SourceScope {
  readonly #tables: ReadonlyMap<string, LakeTable>
  readonly #sources: Source[] = []

  /** `tables` by lower-case name. */
  constructor(tables: ReadonlyMap<string, LakeTable>) {
    this.#tables = tables
  }

  /** The text of a table or join; `condition` translates what follows ON, of which the sources are known by then. */
  from(node: TreeNode, condition: (node: TreeNode) => string): string {
    if (node.sample !== null) untranslated('SAMPLE')
    switch (node.type) {
      case 'BASE_TABLE':
        return this.#table(node)
      case 'JOIN':
        return this.#join(node, condition)
      case 'EMPTY':
        return untranslated('a SELECT without FROM')
      default:
        return untranslated('a subquery, VALUES or a function after FROM', 'name Tables there')
    }
  }

  #table(node: TreeNode): string {
    if (listAt(node, 'column_name_alias').length > 0) untranslated('new names of columns after a table')
    const name = foldName(textAt(node, 'table_name'))
    const table = this.#tables.get(name)
    if (table === undefined) throw new BlastyError('TABLE_NOT_FOUND', { table: name })
    const alias = `t${this.#sources.length}`
    const called = foldName(textAt(node, 'alias')) || name
    if (this.#sources.some(source => source.name === called))
      untranslated(`two tables named ${called}`, 'give one an alias')
    const columns = [
      ...table.columns.map(column => ({ name: column.name, type: typeOf(column) })),
      { name: revisionColumn, type: { kind: 'Int64' } as const },
      { name: commitTimeColumn, type: { kind: 'Timestamp' } as const },
    ]
    this.#sources.push({ name: called, alias, columns })
    return `${qualified(table)} FOR VERSION AS OF ${table.version} ${alias}`
  }

  #join(node: TreeNode, condition: (node: TreeNode) => string): string {
    const { join_type: kind, ref_type: form } = node
    const left = this.from(nodeAt(node, 'left'), condition)
    const right = this.from(nodeAt(node, 'right'), condition)
    if (listAt(node, 'using_columns').length > 0) untranslated('USING', 'write ON with the columns of both tables')
    if (form === 'CROSS') return `(${left} CROSS JOIN ${right})`
    if (form !== 'REGULAR' || !isNode(node.condition)) untranslated('this kind of join', 'write JOIN … ON')
    if (kind !== 'INNER' && kind !== 'LEFT' && kind !== 'RIGHT' && kind !== 'FULL')
      untranslated(`a ${String(kind)} join`)
    const on = condition(nodeAt(node, 'condition'))
    return `(${left} ${kind} JOIN ${right} ON ${on})`
  }

  /** Every column, or those of one table. */
  star(relation: string): Term[] {
    const wanted = this.#sources.filter(({ name }) => relation === '' || name === foldName(relation))
    if (wanted.length === 0) throw noColumn(`${relation}.*`)
    return wanted.flatMap(source => source.columns.map(column => term(source, column)))
  }

  /** What a name of one to three parts stands for; undefined when no column bears it. Throws QUERY_FAILED for one of several. */
  find(parts: readonly string[]): Term | undefined {
    const [first = '', ...rest] = parts.map(foldName)
    const bare = this.#sources.flatMap(source =>
      source.columns.filter(({ name }) => name === first).map(column => ({ source, column })),
    )
    const source = this.#sources.find(({ name }) => name === first)
    if (source !== undefined && rest.length > 0) {
      // DuckDB may take the first part for the column of that name.
      if (bare.length > 0) untranslated(`${first} as both a table and a column`, 'give the table an alias')
      const column = source.columns.find(({ name }) => name === rest[0])
      return column && field(term(source, column), column, rest.slice(1))
    }
    const [found, second] = bare
    if (second !== undefined)
      throw new BlastyError('QUERY_FAILED', { problem: `the column ${first} is of several tables` })
    return found && field(term(found.source, found.column), found.column, rest)
  }
}

export const noColumn = (name: string): BlastyError =>
  new BlastyError('QUERY_FAILED', { problem: `there is no column ${name}` })

const term = ({ alias }: Source, { name, type }: Source['columns'][number]): Term => ({
  sql: `${alias}.${identifier(name)}`,
  type,
  aggregate: false,
})

function field(of: Term, { name, type }: Source['columns'][number], [wanted, ...more]: readonly string[]): Term {
  if (wanted === undefined) return of
  const known = fields[type.kind]
  const found = known !== undefined && Object.hasOwn(known, wanted) ? known[wanted] : undefined
  if (found === undefined || more.length > 0) throw noColumn(`${name}.${wanted}`)
  return { sql: `${of.sql}.${identifier(wanted)}`, type: found, aggregate: false }
}
