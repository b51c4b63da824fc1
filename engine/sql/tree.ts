/** Reading the JSON tree that DuckDB's `json_serialize_sql` makes of a statement. */

import { BlastyError } from '../../base/errors.ts'

/** JSON as parsed here: integers beyond 2^53 are bigint, so that no literal loses a digit. */
export type Tree = null | boolean | number | bigint | string | readonly Tree[] | TreeNode
export type TreeNode = { readonly [field: string]: Tree }

/** What DuckDB writes as `query_location` of a node that it made itself. */
const noLocation = 18446744073709551615n

/** Parses the tree's JSON text. Throws SyntaxError on `Infinity`, which DuckDB writes for a number such as 1e400. */
export function parseTree(json: string): Tree {
  return JSON.parse(json, (_key: string, value: Tree, context?: { source?: string }): Tree => {
    const source = context?.source
    if (typeof value !== 'number' || source === undefined || Number.isSafeInteger(value)) return value
    return /^-?\d+$/.test(source) ? BigInt(source) : value
  })
}

export function isNode(tree: Tree | undefined): tree is TreeNode {
  return typeof tree === 'object' && tree !== null && !Array.isArray(tree)
}

/** The child node of that name. */
export function nodeAt(parent: TreeNode, field: string): TreeNode {
  const child = parent[field]
  return isNode(child) ? child : malformed(parent, field)
}

/** The list of child nodes of that name. */
export function nodesAt(parent: TreeNode, field: string): readonly TreeNode[] {
  return listAt(parent, field).map(child => (isNode(child) ? child : malformed(parent, field)))
}

export function listAt(parent: TreeNode, field: string): readonly Tree[] {
  const child = parent[field]
  return Array.isArray(child) ? child : malformed(parent, field)
}

export function textAt(parent: TreeNode, field: string): string {
  const child = parent[field]
  return typeof child === 'string' ? child : malformed(parent, field)
}

/** Byte offset in the parsed text at which the node, or the first of its children that knows, stands. */
export function locationOf(tree: Tree | undefined): number | undefined {
  if (typeof tree !== 'object' || tree === null) return undefined
  const own = isNode(tree) ? tree.query_location : undefined
  if (typeof own === 'number') return own
  if (own !== undefined && own !== noLocation) return undefined
  const inner = Object.values(tree)
    .map(locationOf)
    .filter(location => location !== undefined)
  return inner.length === 0 ? undefined : Math.min(...inner)
}

/** The 1-based position, counted in characters (code points), of a byte offset in `text`. */
export function positionOf(text: string, byteOffset: number): number {
  return [...Buffer.from(text).subarray(0, Math.max(0, byteOffset)).toString()].length + 1
}

function malformed(parent: TreeNode, field: string): never {
  throw new BlastyError('INTERNAL', { id: `sql-tree-${String(parent.type)}-${field}` })
}
