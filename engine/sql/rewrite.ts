/** What the guard changes in a statement before it runs. */

import { boundedLike, isQuickPattern } from './bounded-functions.ts'
import { isNode, type Tree, type TreeNode } from './tree.ts'

declare global {
  interface JSON {
    /** ECMAScript 2026: a value that is written as this text. */
    rawJSON(text: string): object
  }
}

/** The statement's JSON with LIKE in a form that takes linear time, wherever DuckDB's own would not. */
export function withBoundedLike(json: string): string {
  // Numbers keep the digits they are written with.
  const tree: unknown = JSON.parse(json, (_key, value, context?: { source?: string }) =>
    typeof value === 'number' && context?.source !== undefined ? JSON.rawJSON(context.source) : value,
  )
  return JSON.stringify(tree, (_key, value: Tree) => (isNode(value) ? renamed(value) : value))
}

function renamed(node: TreeNode): TreeNode {
  if (node.class !== 'FUNCTION' || typeof node.function_name !== 'string') return node
  const bounded = boundedLike.get(node.function_name)
  const pattern = Array.isArray(node.children) ? node.children[1] : undefined
  if (bounded === undefined || isQuick(pattern)) return node
  return { ...node, function_name: bounded, is_operator: false }
}

function isQuick(pattern: Tree | undefined): boolean {
  const value = isNode(pattern) && pattern.class === 'CONSTANT' ? pattern.value : undefined
  return isNode(value) && typeof value.value === 'string' && isQuickPattern(value.value)
}
