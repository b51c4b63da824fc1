/** Reading the JSON tree that DuckDB's `json_serialize_sql` makes of a statement. */

import { BlastyError } from '../../base/errors.ts'

/** JSON as parsed here: integers beyond 2^53 are bigint, so that no literal loses a digit. */
export type Tree = null | boolean | number | bigint | string | readonly Tree[] | TreeNode
export type TreeNode = { readonly [field: string]: Tree }

/** How DuckDB writes that a node, made by itself, has no place in the text. */
const noLocation = '"query_location":18446744073709551615'

/** Parses the tree's JSON text. Throws SyntaxError on `Infinity`, which DuckDB writes for a number such as 1e400. */
export function parseTree(json: string): Tree {
  const located = json.replaceAll(noLocation, '"query_location":null')
  return /\d{16}/.test(located) ? JSON.parse(located, exactIntegers) : JSON.parse(located)
}

function exactIntegers(_key: string, value: Tree, context?: { source?: string }): Tree {
  const source = context?.source
  if (typeof value !== 'number' || source === undefined || Number.isSafeInteger(value)) return value
  return /^-?\d+$/.test(source) ? BigInt(source) : value
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

/** A node that is told about need not be looked through deeper than this. */
const maxLocatedDepth = 100

/** Byte offset in the parsed text at which the node, or the first of its children that knows, stands. */
export function locationOf(tree: Tree | undefined, depth = 0): number | undefined {
  if (typeof tree !== 'object' || tree === null || depth > maxLocatedDepth) return undefined
  if (isNode(tree) && typeof tree.query_location === 'number') return tree.query_location
  const inner = Object.values(tree)
    .map(inner => locationOf(inner, depth + 1))
    .filter(location => location !== undefined)
  return inner.length === 0 ? undefined : Math.min(...inner)
}

/** From byte offsets in `text` to 1-based positions, counted in characters (code points). */
export function positionsIn(text: string): (byteOffset: number) => number {
  const bytes = Buffer.from(text)
  if (bytes.length === text.length) return byteOffset => Math.max(0, byteOffset) + 1
  return byteOffset => [...bytes.subarray(0, Math.max(0, byteOffset)).toString()].length + 1
}

function malformed(parent: TreeNode, field: string): never {
  throw new BlastyError('INTERNAL', { id: `sql-tree-${String(parent.type)}-${field}` })
}
