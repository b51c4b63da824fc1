/** A Table as its service describes it: columns, key, and keys as people type them. */

import { CatalogService, type Column } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import { ColumnType } from '../../proto/gen/blasty/v1/common_pb.js'
import { UsageError } from './failure.ts'
import type { Session } from './session.ts'

export type TableInfo = {
  readonly columns: readonly Column[]
  readonly primaryKey: readonly string[]
}

/** Asks for a Table's columns and key. */
export async function tableInfo({ service, table, signal }: Session, name: string): Promise<TableInfo> {
  const { columns, primaryKey } = await service(CatalogService).getTable({ table: table(name) }, { signal })
  return { columns, primaryKey }
}

const numbers: readonly ColumnType[] = [ColumnType.INT32, ColumnType.DOUBLE]

/**
 * A key as JSON: given as JSON already, as the value itself where one column makes the key, or as `a=1,b=2`.
 * With `leading`, fewer than all columns will do.
 */
export function keyJson({ columns, primaryKey }: TableInfo, text: string, leading = false): string {
  if (text.startsWith('{')) return text
  const [only] = primaryKey
  if (only === undefined) throw new UsageError('the table has no primary key')
  const pairs = primaryKey.length === 1 && !text.startsWith(`${only}=`) ? [[only, text] as const] : pairsOf(text)
  const missing = primaryKey.find(name => !pairs.some(([given]) => given === name))
  if (missing !== undefined && !leading)
    throw new UsageError(`key ${text} has no ${missing}; give ${primaryKey.map(name => `${name}=...`).join(',')}`)
  return JSON.stringify(Object.fromEntries(pairs.map(([name, value]) => [name, typedValue(columns, name, value)])))
}

function pairsOf(text: string): (readonly [string, string])[] {
  return text.split(',').map(part => {
    const at = part.indexOf('=')
    if (at < 1) throw new UsageError(`key ${text} is neither JSON nor of the form a=1,b=2`)
    return [part.slice(0, at), part.slice(at + 1)] as const
  })
}

function typedValue(columns: readonly Column[], name: string, text: string): unknown {
  const type = columns.find(column => column.name === name)?.type
  if (type === ColumnType.BOOLEAN) return text === 'true' ? true : text === 'false' ? false : text
  return type !== undefined && numbers.includes(type) && /^-?\d+$/.test(text) ? Number(text) : text
}

/** The type of a column as a manifest writes it. */
export function typeName({ type, itemType, precision, scale }: Column): string {
  const name = (of: ColumnType) =>
    of === ColumnType.DECIMAL ? `Decimal(${precision}, ${scale})` : pascal(ColumnType[of] ?? String(of))
  return type === ColumnType.ARRAY ? `Array<${name(itemType)}>` : name(type)
}

const whole = new Set(['UUID', 'JSON'])
const pascal = (text: string): string =>
  whole.has(text) ? text : text.toLowerCase().replace(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase())
