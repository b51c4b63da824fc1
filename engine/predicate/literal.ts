/** Literals of a predicate, read from the parser's tree. */

import type { Cast } from '../sql/parser.ts'
import { isNode, nodeAt, type Tree, type TreeNode, textAt } from '../sql/tree.ts'
import type { Literal, LiteralType } from './draft.ts'

/** Types to which a number may be cast. */
const fromNumber: ReadonlySet<string> = new Set(['VARCHAR', 'INTEGER', 'BIGINT', 'DOUBLE', 'DECIMAL'])

/** The literal that a CONSTANT node holds; undefined for a type that no literal has. */
export function readConstant(node: TreeNode): Literal | undefined {
  const constant = nodeAt(node, 'value')
  if (constant.is_null === true) return { kind: 'null' }
  const type = nodeAt(constant, 'type')
  const value = constant.value
  switch (type.id) {
    case 'VARCHAR':
      return typeof value === 'string' ? { kind: 'text', text: value } : undefined
    case 'DOUBLE':
      return typeof value === 'number' ? { kind: 'double', value } : undefined
    case 'INTEGER':
    case 'BIGINT':
    case 'HUGEINT':
    case 'UHUGEINT':
      return exact(value, 0, type.id)
    case 'DECIMAL': {
      const { width, scale } = nodeAt(type, 'type_info')
      return exact(value, Number(scale), `DECIMAL(${Number(width)}, ${Number(scale)})`)
    }
    default:
      return undefined
  }
}

/** The literal that a CAST of a CONSTANT makes; undefined for a type that no literal may have. */
export function readCast(node: TreeNode): Literal | undefined {
  const child = nodeAt(node, 'child')
  const type = readType(nodeAt(node, 'cast_type'))
  if (child.class !== 'CONSTANT' || type === undefined || node.try_cast !== false) return undefined
  const literal = readConstant(child)
  switch (literal?.kind) {
    case 'null':
      return literal
    case 'text':
      return { kind: 'cast', text: literal.text, type }
    case 'exact':
      if (!fromNumber.has(type.name)) return undefined
      return { kind: 'cast', text: formatExact(literal.unscaled, literal.scale), from: literal.type, type }
    case 'double':
      if (!fromNumber.has(type.name)) return undefined
      return { kind: 'cast', text: String(literal.value), from: 'DOUBLE', type }
    default:
      return undefined
  }
}

/** Plain decimal text with exactly `scale` fraction digits. */
export function formatExact(unscaled: bigint, scale: number): string {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  const sign = unscaled < 0n ? '-' : ''
  return scale === 0 ? sign + whole : `${sign}${whole}.${digits.slice(digits.length - scale)}`
}

/** The unscaled integer and scale of plain decimal text. */
export function parseExact(text: string): { unscaled: bigint; scale: number } {
  const point = text.indexOf('.')
  return point < 0
    ? { unscaled: BigInt(text), scale: 0 }
    : { unscaled: BigInt(text.slice(0, point) + text.slice(point + 1)), scale: text.length - point - 1 }
}

/** The SQL name of a literal's type. */
export function typeName(type: LiteralType): string {
  return type.name === 'DECIMAL' ? `DECIMAL(${type.precision}, ${type.scale})` : type.name
}

/** The cast that a literal stands for. */
export function castOf(literal: Literal & { kind: 'cast' }): Cast {
  const { text, from, type } = literal
  return { text, types: from === undefined ? [typeName(type)] : [from, typeName(type)] }
}

function exact(value: Tree | undefined, scale: number, type: string): Literal | undefined {
  if (typeof value === 'number' || typeof value === 'bigint')
    return { kind: 'exact', unscaled: BigInt(value), scale, type }
  if (!isNode(value)) return undefined
  const { upper, lower } = value // the halves of a 128-bit integer; only the upper one is signed
  if (typeof upper !== 'number' && typeof upper !== 'bigint') return undefined
  if (typeof lower !== 'number' && typeof lower !== 'bigint') return undefined
  return { kind: 'exact', unscaled: (BigInt(upper) << 64n) + BigInt(lower), scale, type }
}

function readType(type: TreeNode): LiteralType | undefined {
  const id = textAt(type, 'id')
  switch (id) {
    case 'VARCHAR':
    case 'INTEGER':
    case 'BIGINT':
    case 'DOUBLE':
    case 'BOOLEAN':
    case 'DATE':
    case 'TIMESTAMP':
    case 'UUID':
      return { name: id }
    case 'TIMESTAMP WITH TIME ZONE':
      return { name: 'TIMESTAMPTZ' }
    case 'DECIMAL': {
      const { width, scale } = nodeAt(type, 'type_info')
      return { name: 'DECIMAL', precision: Number(width), scale: Number(scale) }
    }
    default:
      return undefined
  }
}
