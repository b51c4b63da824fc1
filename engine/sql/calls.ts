/** Calls that are refused for their arguments: what would make too much of little, and can be told from the statement. */

import { isAllowedFunction } from './functions.ts'
import { foldName } from './quote.ts'
import { isNode, nodesAt, type TreeNode, textAt } from './tree.ts'

/** Longest replacement of regexp_replace, in bytes; it is put in for every match. */
const maxReplacement = 64
/** Most lists and structs in the structure that JSON is read by. */
const maxNested = 200
/** Most arguments of one call whose result holds them all. */
const maxHeld = 1_000

/** These have bounds for the value of one row; over the elements of a list, which may be many, they are refused. */
const notOverElements: ReadonlySet<string> = new Set([
  'bar',
  'format',
  'list_reduce',
  'array_reduce',
  'reduce',
  'printf',
  'repeat',
])
/** Functions for which a list or text of any size may stand as each argument. */
const holding: ReadonlySet<string> = new Set([
  '||',
  'array_value',
  'concat',
  'concat_ws',
  'list_cat',
  'list_concat',
  'list_pack',
  'list_value',
  'row',
  'struct_pack',
])

/** What is wrong with the call, or undefined. `overElements`: it stands in a lambda. */
export function problemOfCall(call: TreeNode, overElements: boolean): string | undefined {
  const name = foldName(textAt(call, 'function_name'))
  if (overElements && notOverElements.has(name)) return `${name}() may not be called for each element of a list`
  const args = nodesAt(call, 'children')
  switch (name) {
    case 'printf':
    case 'format':
      return isBoundedFormat(literalOf(args[0]))
        ? undefined
        : `the format of ${name}() must be a text with widths below 1000`
    case 'regexp_replace':
      return fits(literalOf(args[2])) ? undefined : `the replacement must be a text of at most ${maxReplacement} bytes`
    case 'from_json':
    case 'from_json_strict':
    case 'json_transform':
    case 'json_transform_strict':
      return isFlat(literalOf(args[1])) ? undefined : `the structure for ${name}() must be a text that nests little`
    case 'aggregate':
    case 'array_aggr':
    case 'array_aggregate':
    case 'list_aggr':
    case 'list_aggregate':
      return isAllowedFunction(literalOf(args[1]) ?? '', 'window')
        ? undefined
        : `${name}() takes the name of an aggregate`
    case 'lpad':
    case 'rpad':
      return overElements && !isSmall(args[1]) ? `the length of ${name}() must be a number below 100 here` : undefined
    case 'replace':
      return overElements && !fits(literalOf(args[2])) ? 'the replacement must be a short text here' : undefined
    default:
      return holding.has(name) && args.filter(arg => arg.class !== 'CONSTANT').length > maxHeld
        ? `${name}() has more than ${maxHeld} arguments`
        : undefined
  }
}

function literalOf(node: TreeNode | undefined): string | undefined {
  const value = node?.class === 'CONSTANT' ? node.value : undefined
  return isNode(value) && typeof value.value === 'string' ? value.value : undefined
}

const fits = (text: string | undefined): boolean => text !== undefined && Buffer.byteLength(text) <= maxReplacement

/** No width or precision of four digits, or taken from an argument. */
const isBoundedFormat = (format: string | undefined): boolean =>
  format !== undefined && !/\d{4}|\*|\{[^}]*\{/.test(format)

const isFlat = (structure: string | undefined): boolean =>
  structure !== undefined && (structure.match(/[[{(]/g)?.length ?? 0) <= maxNested

function isSmall(node: TreeNode | undefined): boolean {
  const value = node?.class === 'CONSTANT' ? node.value : undefined
  return isNode(value) && typeof value.value === 'number' && value.value < 100
}
