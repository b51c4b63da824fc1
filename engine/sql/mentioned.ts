/** Which columns a statement names, so that no more of a Table need be made ready for it. */

import { foldName } from './quote.ts'
import { isNode, listAt, type Tree, type TreeNode } from './tree.ts'

/** Names in the statement, lower case, that may be columns; undefined when it takes columns without naming them. */
export function mentionedColumns(statement: TreeNode): ReadonlySet<string> | undefined {
  const found = { columns: new Set<string>(), alone: new Set<string>(), tables: new Set<string>(), all: false }
  look(statement, found)
  return found.all || [...found.alone].some(name => found.tables.has(name)) ? undefined : found.columns
}

/** `tables`: names and aliases of tables, each of which stands for a whole row where it stands `alone` in the place of a column. */
type Found = { readonly columns: Set<string>; readonly alone: Set<string>; readonly tables: Set<string>; all: boolean }

function look(tree: Tree, found: Found): void {
  if (Array.isArray(tree)) for (const item of tree) look(item, found)
  if (!isNode(tree)) return
  // `*` and COLUMNS(…), NATURAL JOIN, and names given to the columns of a table by their places.
  if (tree.class === 'STAR' || tree.ref_type === 'NATURAL') found.all = true
  if (Array.isArray(tree.column_name_alias) && tree.column_name_alias.length > 0) found.all = true
  const names = tree.class === 'COLUMN_REF' ? listAt(tree, 'column_names') : []
  const using = Array.isArray(tree.using_columns) ? tree.using_columns : []
  for (const name of [...names, ...using]) found.columns.add(foldName(String(name)))
  if (names.length === 1) found.alone.add(foldName(String(names[0])))
  if (typeof tree.table_name === 'string') found.tables.add(foldName(tree.table_name))
  if (tree.sample !== undefined && typeof tree.alias === 'string') found.tables.add(foldName(tree.alias))
  for (const item of Object.values(tree)) look(item, found)
}
