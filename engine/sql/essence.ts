/** What a statement's tree says, apart from how it was written. */

import { isNode, listAt, nodeAt, nodesAt, type Tree, type TreeNode } from './tree.ts'

/** Equal for two trees that mean the same although DuckDB wrote the text of the second from the first. */
export function essence(statement: TreeNode): string {
  return JSON.stringify(simplified(statement))
}

function simplified(tree: Tree): Tree {
  if (typeof tree === 'bigint') return `${tree}n`
  if (Array.isArray(tree)) return tree.map(simplified)
  if (!isNode(tree)) return tree
  const values = wrappedValues(tree)
  if (values !== undefined) return simplified(values)
  const { query_location: _, ...rest } = tree.type === 'SELECT_NODE' ? withNamedSets(tree) : tree
  return Object.fromEntries(Object.entries(rest).map(([field, value]) => [field, simplified(value)]))
}

/** DuckDB writes VALUES as a subquery over itself, named `valueslist`. */
function wrappedValues(table: TreeNode): TreeNode | undefined {
  if (table.class !== undefined || table.type !== 'SUBQUERY' || table.alias !== 'valueslist') return undefined
  const select = nodeAt(nodeAt(table, 'subquery'), 'node')
  if (select.type !== 'SELECT_NODE' || !isNode(select.from_table) || select.from_table.type !== 'EXPRESSION_LIST')
    return undefined
  const plain = ['where_clause', 'having', 'qualify', 'sample'].every(field => select[field] === null)
  const [star, ...others] = nodesAt(select, 'select_list')
  const bare = listAt(select, 'modifiers').length === 0 && others.length === 0 && star?.class === 'STAR'
  return plain && bare ? select.from_table : undefined
}

/** ROLLUP and CUBE come back as sets of expressions numbered in another order. */
function withNamedSets(select: TreeNode): TreeNode {
  const names = nodesAt(select, 'group_expressions').map(expression => JSON.stringify(simplified(expression)))
  const sets = listAt(select, 'group_sets').map(set =>
    Array.isArray(set) ? set.map(index => names[Number(index)] ?? '').sort() : set,
  )
  return { ...select, group_expressions: names.toSorted(), group_sets: sets }
}
