/** The types that a query may cast to. */

import { foldName } from './quote.ts'
import { isNode, listAt, nodeAt, type TreeNode, textAt } from './tree.ts'

const scalars: ReadonlySet<string> = new Set(
  `BOOLEAN TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT FLOAT DOUBLE DECIMAL VARCHAR BLOB
   BIT UUID DATE TIME TIMESTAMP TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS INTERVAL`.split(/\s+/),
)
const zoned: ReadonlySet<string> = new Set(['TIMESTAMP WITH TIME ZONE', 'TIME WITH TIME ZONE'])

/** Types nested deeper than this are refused. */
const maxDepth = 50

/** True for DuckDB's own types and what is nested of them; false for a type that the catalogue would have to be asked for. */
export function isAllowedType(type: TreeNode, depth = 0): boolean {
  if (depth > maxDepth) return false
  const id = textAt(type, 'id')
  if (scalars.has(id) || zoned.has(id)) return true
  if (!isNode(type.type_info)) return false
  switch (id) {
    case 'LIST':
    case 'ARRAY':
    case 'MAP':
      return isAllowedType(nodeAt(type.type_info, 'child_type'), depth + 1)
    case 'STRUCT':
    case 'UNION':
      return listAt(type.type_info, 'child_types').every(
        child => isNode(child) && isAllowedType(nodeAt(child, 'second'), depth + 1),
      )
    case 'UNBOUND':
      return isJson(type.type_info)
    default:
      return false
  }
}

/** JSON is an alias that the parser leaves by name. */
function isJson(info: TreeNode): boolean {
  return foldName(textAt(info, 'name')) === 'json' && info.schema === '' && info.catalog === ''
}
