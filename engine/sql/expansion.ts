/**
 * How much a statement grows when its names are resolved. DuckDB puts the text of an alias wherever a later expression names it, an
 * argument of a macro wherever the macro names it, and every column wherever `*` stands: a short statement can double so often that
 * planning it takes hours, which nothing interrupts.
 */

import { BlastyError } from '../../base/errors.ts'
import { boundedFunctions } from './bounded-functions.ts'
import { lineFunctions } from './line-functions.ts'
import { repetition } from './macro.ts'
import { foldName } from './quote.ts'
import { isNode, listAt, nodeAt, nodesAt, type Tree, type TreeNode, textAt } from './tree.ts'
import { trendFunctions } from './trend-functions.ts'

/** Expressions that resolving may add to those written; planning as many takes about a second. */
const maxAdded = 5_000
/** Values in a row inside a statement, where a table counts as one. */
const maxValues = 1_000
/** Sets that ROLLUP, CUBE and GROUPING SETS make. */
const maxGroupings = 256

/** How often DuckDB's own macros repeat their arguments, where it is more than once. */
export const repetitions: ReadonlyMap<string, number> = new Map([
  ['array_pop_back', 2],
  ['fmod', 2],
  ['json_group_array', 2],
  ['json_group_object', 2],
  ['map_contains_entry', 2],
  ['nullif', 2],
  ['round_even', 3],
  ['roundbankers', 3],
  ['split_part', 2],
  ['array_to_string', 2],
  ['wavg', 2],
  ['weighted_avg', 2],
  ...[...lineFunctions, ...trendFunctions, ...boundedFunctions].map(macro => [macro.name, repetition(macro)] as const),
])

/** Sizes of the aliases of a select list, by folded name. */
type Aliases = ReadonlyMap<string, number>
const noAliases: Aliases = new Map()

/** Throws INVALID_SQL for a statement that would grow too much. */
export function refuseExpansion(statement: TreeNode): void {
  const root = nodeAt(statement, 'node')
  if (grownSize(root, noAliases) - writtenSize(root) > maxAdded)
    throw new BlastyError('INVALID_SQL', {
      problem: 'it grows too large: compute what is used again in a common table expression',
    })
  widthOf(root, new Map())
}

const isExpression = (node: TreeNode): boolean => node.class !== undefined

function writtenSize(tree: Tree): number {
  if (Array.isArray(tree)) return tree.reduce((sum: number, item: Tree) => sum + writtenSize(item), 0)
  if (!isNode(tree)) return 0
  return Object.values(tree).reduce((sum: number, item) => sum + writtenSize(item), isExpression(tree) ? 1 : 0)
}

function grownSize(tree: Tree, aliases: Aliases): number {
  if (Array.isArray(tree)) return tree.reduce((sum: number, item: Tree) => sum + grownSize(item, aliases), 0)
  if (!isNode(tree)) return 0
  if (tree.type === 'SELECT_NODE') return selectSize(tree)
  const name = tree.class === 'COLUMN_REF' && Array.isArray(tree.column_names) ? tree.column_names.at(-1) : undefined
  const named = typeof name === 'string' ? aliases.get(foldName(name)) : undefined
  if (named !== undefined) return named
  const inner = Object.values(tree).reduce((sum: number, item) => sum + grownSize(item, aliases), 0)
  const repeated = tree.class === 'FUNCTION' ? (repetitions.get(foldName(textAt(tree, 'function_name'))) ?? 1) : 1
  return (isExpression(tree) ? 1 : 0) + inner * repeated
}

/** Each expression of a select list may name those before it, and WHERE, ORDER BY and the like all of them. */
function selectSize(select: TreeNode): number {
  const { select_list, ...others } = select
  const aliases = new Map<string, number>()
  let size = 0
  for (const expression of Array.isArray(select_list) ? select_list : []) {
    const own = grownSize(expression, aliases)
    size += own
    if (isNode(expression) && typeof expression.alias === 'string' && expression.alias !== '')
      aliases.set(foldName(expression.alias), own)
  }
  return size + Object.values(others).reduce((sum: number, item) => sum + grownSize(item, aliases), 0)
}

/** Values of a result, where one of a table counts as one and a struct as what it holds: in all columns, and in the largest. */
type Width = { readonly all: number; readonly largest: number }
type Ctes = ReadonlyMap<string, Width>
const narrow: Width = { all: 1, largest: 1 }

/** These make one value of several, of whatever types they are. */
const structMakers: ReadonlySet<string> = new Set([
  'row',
  'struct_pack',
  'struct_insert',
  'struct_concat',
  'struct_update',
  'list_zip',
])

function widthOf(query: TreeNode, outer: Ctes): Width {
  const ctes = new Map(outer)
  for (const cte of nodesAt(nodeAt(query, 'cte_map'), 'map')) {
    const inner = nodeAt(nodeAt(cte, 'value'), 'query')
    ctes.set(foldName(textAt(cte, 'key')), widthOf(nodeAt(inner, 'node'), ctes))
  }
  if (query.type !== 'SELECT_NODE') {
    const left = widthOf(nodeAt(query, 'left'), ctes)
    if (query.type === 'RECURSIVE_CTE_NODE') ctes.set(foldName(textAt(query, 'cte_name')), left)
    const right = widthOf(nodeAt(query, 'right'), ctes)
    return bounded({ all: left.all + right.all, largest: Math.max(left.largest, right.largest) })
  }
  if (listAt(query, 'group_sets').length > maxGroupings)
    throw new BlastyError('INVALID_SQL', { problem: 'it groups in too many ways' })
  const tables = new Map<string, Width>()
  const from = isNode(query.from_table) ? tableWidth(query.from_table, ctes, tables) : { all: 0, largest: 1 }
  const { from_table: _, ...others } = query
  for (const inner of subqueries(Object.values(others))) widthOf(inner, ctes)
  const widths = nodesAt(query, 'select_list').map(expression =>
    Math.max(valueWidth(expression, from, tables), stars(expression) * from.all),
  )
  return bounded({ all: widths.reduce((sum, width) => sum + width, 0), largest: Math.max(1, ...widths) })
}

/** `tables` takes the tables by name: such a name in an expression is a struct of all columns. */
function tableWidth(table: TreeNode, ctes: Ctes, tables: Map<string, Width>): Width {
  const width = ((): Width => {
    switch (table.type) {
      case 'JOIN': {
        const left = tableWidth(nodeAt(table, 'left'), ctes, tables)
        const right = tableWidth(nodeAt(table, 'right'), ctes, tables)
        return bounded({ all: left.all + right.all, largest: Math.max(left.largest, right.largest) })
      }
      case 'SUBQUERY':
        return widthOf(nodeAt(nodeAt(table, 'subquery'), 'node'), ctes)
      case 'BASE_TABLE':
        return ctes.get(foldName(textAt(table, 'table_name'))) ?? narrow
      default:
        return narrow
    }
  })()
  const name = table.alias === '' && table.type === 'BASE_TABLE' ? table.table_name : table.alias
  if (typeof name === 'string') tables.set(foldName(name), width)
  return width
}

function valueWidth(tree: Tree, from: Width, tables: ReadonlyMap<string, Width>): number {
  if (Array.isArray(tree)) return Math.max(1, ...tree.map(item => valueWidth(item, from, tables)))
  if (!isNode(tree) || tree.class === 'SUBQUERY') return 1
  if (tree.class === 'COLUMN_REF') {
    const name = listAt(tree, 'column_names').at(-1)
    return tables.get(foldName(String(name)))?.all ?? from.largest
  }
  const makes = tree.class === 'FUNCTION' && structMakers.has(foldName(textAt(tree, 'function_name')))
  const inner = makes ? listAt(tree, 'children') : Object.values(tree)
  const widths = inner.map(item => valueWidth(item, from, tables))
  return makes ? widths.reduce((sum, width) => sum + width, 0) : Math.max(1, ...widths)
}

/** `*` and COLUMNS(…) in an expression, each of which stands for every column. */
function stars(tree: Tree): number {
  if (Array.isArray(tree)) return tree.reduce((sum: number, item: Tree) => sum + stars(item), 0)
  if (!isNode(tree) || tree.class === 'SUBQUERY') return 0
  return Object.values(tree).reduce((sum: number, item) => sum + stars(item), tree.class === 'STAR' ? 1 : 0)
}

/** The outermost queries within. */
function subqueries(tree: Tree): TreeNode[] {
  if (Array.isArray(tree)) return tree.flatMap(subqueries)
  if (!isNode(tree)) return []
  if (typeof tree.type === 'string' && tree.cte_map !== undefined) return [tree]
  return Object.values(tree).flatMap(subqueries)
}

function bounded(width: Width): Width {
  if (width.all > maxValues) throw new BlastyError('INVALID_SQL', { problem: 'it makes too many columns' })
  return width
}
