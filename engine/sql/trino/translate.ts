/**
 * A guarded statement in Trino's words. Nothing of its text is copied: names come from the schemas, literals from their values,
 * aliases are our own, and what is not known to mean the same in both engines is refused.
 */

import type { DuckDBValue } from '@duckdb/node-api'
import { foldName } from '../quote.ts'
import { isNode, listAt, nodeAt, nodesAt, type TreeNode, textAt } from '../tree.ts'
import { Expressions } from './expressions.ts'
import { type LakeTable, SourceScope } from './scope.ts'
import { isComparable, type SqlType, type Term, untranslated } from './types.ts'

export type Translation = {
  readonly text: string
  /** Of the columns, which are called c0, c1 … */
  readonly types: readonly SqlType[]
}

/** Throws UNSUPPORTED naming what is not translated, QUERY_FAILED for names of no column. */
export function translate(
  statement: TreeNode,
  tables: ReadonlyMap<string, LakeTable>,
  parameters: Readonly<Record<string, DuckDBValue>>,
): Translation {
  const select = nodeAt(statement, 'node')
  if (select.type !== 'SELECT_NODE') untranslated('UNION, EXCEPT, INTERSECT or WITH RECURSIVE')
  if (listAt(nodeAt(select, 'cte_map'), 'map').length > 0) untranslated('WITH')
  if (select.qualify !== null) untranslated('QUALIFY')
  if (select.sample !== null) untranslated('SAMPLE')
  return new Select(select, tables, parameters).translation()
}

class Select {
  readonly #node: TreeNode
  readonly #from: string
  readonly #expressions: Expressions
  /** Of the SELECT list, stars spelt out. */
  readonly #items: readonly Term[]
  /** What the SELECT list calls its items, lower case, with their places from 1; those of two items are left out. */
  readonly #places: ReadonlyMap<string, number | undefined>

  constructor(
    node: TreeNode,
    tables: ReadonlyMap<string, LakeTable>,
    parameters: Readonly<Record<string, DuckDBValue>>,
  ) {
    this.#node = node
    const scope = new SourceScope(tables)
    const list = nodesAt(node, 'select_list')
    const aliases = new Set(list.map(item => foldName(textAt(item, 'alias'))).filter(alias => alias !== ''))
    this.#expressions = new Expressions(scope, parameters, aliases)
    this.#from = scope.from(nodeAt(node, 'from_table'), on => {
      const condition = this.#expressions.condition(on)
      return condition.aggregate ? untranslated('an aggregate in ON') : condition.sql
    })
    const items: Term[] = []
    const places = new Map<string, number | undefined>()
    for (const item of list) {
      const found = item.class === 'STAR' ? star(item, scope) : [this.#expressions.term(item)]
      items.push(...found)
      const alias = foldName(textAt(item, 'alias'))
      if (alias !== '' && found.length === 1) places.set(alias, places.has(alias) ? undefined : items.length)
    }
    this.#items = items.map(closedItem)
    this.#places = places
  }

  translation(): Translation {
    const node = this.#node
    const modifiers = nodesAt(node, 'modifiers')
    const one = (type: string) => modifiers.find(modifier => modifier.type === type)
    const unknown = modifiers.find(({ type }) => !known.has(String(type)))
    if (unknown !== undefined) untranslated('LIMIT in percent')
    const distinct = one('DISTINCT_MODIFIER')
    if (distinct !== undefined && listAt(distinct, 'distinct_on_targets').length > 0) untranslated('DISTINCT ON')
    if (distinct !== undefined && this.#items.some(({ type }) => !isComparable(type)))
      untranslated('DISTINCT with such a column')
    const order = one('ORDER_MODIFIER')
    const limit = one('LIMIT_MODIFIER')
    const text = [
      `SELECT ${distinct === undefined ? '' : 'DISTINCT '}${this.#items.map(({ sql }, index) => `${sql} AS c${index}`).join(', ')}`,
      `FROM ${this.#from}`,
      this.#where(),
      this.#groups(),
      isNode(node.having) ? `HAVING ${this.#expressions.condition(node.having).sql}` : '',
      order === undefined ? '' : this.#order(order, distinct !== undefined),
      limit === undefined ? '' : this.#limit(limit),
    ]
    return { text: text.filter(part => part !== '').join(' '), types: this.#items.map(({ type }) => type) }
  }

  #where(): string {
    if (!isNode(this.#node.where_clause)) return ''
    const condition = this.#expressions.condition(this.#node.where_clause)
    if (condition.aggregate) untranslated('an aggregate in WHERE', 'write HAVING')
    return `WHERE ${condition.sql}`
  }

  #groups(): string {
    const expressions = nodesAt(this.#node, 'group_expressions')
    if (this.#node.aggregate_handling === 'FORCE_AGGREGATES') {
      const plain = this.#items.flatMap((item, index) => (item.aggregate ? [] : [{ item, place: index + 1 }]))
      if (plain.some(({ item }) => !isComparable(item.type))) untranslated('GROUP BY with such a column')
      return plain.length === 0 ? '' : `GROUP BY ${plain.map(({ place }) => place).join(', ')}`
    }
    if (listAt(this.#node, 'group_sets').length > 1) untranslated('GROUPING SETS, ROLLUP or CUBE')
    if (expressions.length === 0) return ''
    return `GROUP BY ${expressions.map(expression => this.#place(expression) ?? this.#grouped(expression)).join(', ')}`
  }

  #grouped(expression: TreeNode): string {
    const term = this.#expressions.term(expression)
    if (term.open !== undefined || term.finite === true) untranslated('GROUP BY of a literal')
    if (!isComparable(term.type)) untranslated(`GROUP BY with ${term.type.kind}`)
    return term.sql
  }

  /** The place in the SELECT list that a number or a name of it stands for. */
  #place(node: TreeNode): number | undefined {
    if (node.class === 'CONSTANT') {
      const [, digits] = /^INTEGER '(\d+)'$/.exec(this.#expressions.term(node).sql) ?? []
      const place = Number(digits)
      if (!(place >= 1 && place <= this.#items.length)) return untranslated('GROUP BY or ORDER BY of a literal')
      return place
    }
    const [name, ...more] = node.class === 'COLUMN_REF' ? listAt(node, 'column_names') : []
    if (typeof name !== 'string' || more.length > 0) return undefined
    const key = foldName(name)
    if (!this.#places.has(key)) return undefined
    const place = this.#places.get(key)
    const item = place === undefined ? undefined : this.#items[place - 1]
    if (item === undefined) return untranslated(`${name}, which two items of the SELECT list are called,`)
    const column = this.#expressions.tryColumn(name)
    if (column !== undefined && column.sql !== item.sql)
      untranslated(`${name}, which is a column and another item of the SELECT list,`, 'give the item another name')
    return place
  }

  #order(modifier: TreeNode, distinct: boolean): string {
    const orders = nodesAt(modifier, 'orders').map(order => {
      const expression = nodeAt(order, 'expression')
      if (expression.class === 'STAR') return untranslated('ORDER BY ALL')
      const place = this.#place(expression)
      const term = place === undefined ? this.#expressions.term(expression) : this.#items[place - 1]
      if (term === undefined || !isComparable(term.type) || term.open !== undefined)
        return untranslated('ORDER BY with such a column')
      const same = this.#items.findIndex(({ sql }) => sql === term.sql)
      if (distinct && place === undefined && same < 0) untranslated('ORDER BY of what is not selected, with DISTINCT')
      const direction = order.type === 'DESCENDING' ? 'DESC' : 'ASC'
      const nulls = order.null_order === 'NULLS FIRST' ? 'FIRST' : 'LAST' // DuckDB's default is last, also when descending
      return `${place ?? (same < 0 ? term.sql : same + 1)} ${direction} NULLS ${nulls}`
    })
    return `ORDER BY ${orders.join(', ')}`
  }

  #limit(modifier: TreeNode): string {
    const count = (field: 'limit' | 'offset') => {
      const node = modifier[field]
      if (!isNode(node)) return undefined
      const [, digits] = /^(?:INTEGER|BIGINT) '(\d{1,18})'$/.exec(this.#expressions.term(node).sql) ?? []
      return digits ?? untranslated(`${field.toUpperCase()} of what is no whole number`)
    }
    const [limit, offset] = [count('limit'), count('offset')]
    return [offset === undefined ? '' : `OFFSET ${offset} ROWS`, limit === undefined ? '' : `LIMIT ${limit}`]
      .filter(part => part !== '')
      .join(' ')
  }
}

const known: ReadonlySet<string> = new Set(['DISTINCT_MODIFIER', 'ORDER_MODIFIER', 'LIMIT_MODIFIER'])

function star(node: TreeNode, scope: SourceScope): readonly Term[] {
  const lists = ['exclude_list', 'replace_list', 'qualified_exclude_list', 'rename_list']
  const plain = node.columns === false && node.expr === null && lists.every(list => listAt(node, list).length === 0)
  return plain
    ? scope.star(textAt(node, 'relation_name'))
    : untranslated('COLUMNS(…) or * with EXCLUDE, REPLACE or RENAME')
}

/** A literal that is selected is what it is written as. */
function closedItem(term: Term): Term {
  if (term.open === undefined) return term
  if ('null' in term.open) return untranslated('NULL in the SELECT list', 'cast it')
  return { sql: term.sql, type: { kind: 'String' }, aggregate: false }
}
