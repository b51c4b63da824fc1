/** The text that runs, written by DuckDB from the tree that was judged and read back to be sure that it says the same. */

import { BlastyError } from '../../base/errors.ts'
import { essence } from './essence.ts'
import { parseSql, unparseSql } from './parser.ts'
import { withBoundedLike } from './rewrite.ts'
import { isNode, nodesAt, parseTree, type TreeNode } from './tree.ts'

/** A DOUBLE literal as the parser writes it. JSON strings cannot hold it, for their quotes are escaped. */
const doubleLiteral =
  /\{"class":"CONSTANT","type":"VALUE_CONSTANT","alias":("(?:[^"\\]|\\.)*"),"query_location":(\d+),"value":\{"type":\{"id":"DOUBLE","type_info":null\},"is_null":false,"value":([-+.\deE]+)\}\}/g

/** Writes a statement's text from its JSON; `statement` is the text's own tree. Throws `UNSUPPORTED` when it cannot be written truly. */
export async function regenerate(json: string): Promise<{ text: string; statement: TreeNode }> {
  const exact = withBoundedLike(castDoubles(json))
  const expected = firstStatement(exact)
  const text = await unparseSql(exact).catch((cause: unknown) => unwritable(cause))
  const parsed = await parseSql(text)
  const [statement, second] = parsed.ok ? parsed.statements : []
  if (statement === undefined || second !== undefined || essence(statement) !== essence(expected)) return unwritable()
  return { text, statement }
}

/** DuckDB would write 1e5 as 100000.0, which is a DECIMAL: such literals become casts of their text. */
function castDoubles(json: string): string {
  return json.replace(
    doubleLiteral,
    (_, alias: string, location: string, value: string) =>
      `{"class":"CAST","type":"OPERATOR_CAST","alias":${alias},"query_location":${location},"child":{"class":"CONSTANT",` +
      `"type":"VALUE_CONSTANT","alias":"","query_location":${location},"value":{"type":{"id":"VARCHAR","type_info":null},` +
      `"is_null":false,"value":"${value}"}},"cast_type":{"id":"DOUBLE","type_info":null},"try_cast":false}`,
  )
}

function unwritable(cause?: unknown): never {
  throw new BlastyError('UNSUPPORTED', { what: 'this form of query', instead: 'write it in another way' }, { cause })
}

function firstStatement(json: string): TreeNode {
  const tree = parseTree(json)
  const [statement] = isNode(tree) ? nodesAt(tree, 'statements') : []
  if (statement === undefined) throw new BlastyError('INTERNAL', { id: 'sql-regenerate' })
  return statement
}
