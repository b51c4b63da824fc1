/**
 * Statistics of a data file, for other engines to skip it by (Delta protocol, "Per-file Statistics"). What cannot be said
 * exactly is left out: an engine that trusts a wrong bound would hide rows.
 */

import type { Column, TableSchema } from '../schema/schema.ts'

export type FileStats = {
  readonly rows: number
  /** The `stats` text of an add action. Bounds are no longer `tight` once rows of the file are deleted. */
  readonly text: (tight: boolean) => string
}

/** Most characters of a text bound. */
const maxTextLength = 32
/** A decimal of more digits may be read as a double by other engines, and rounded. */
const maxDecimalDigits = 15

type Bounds = { readonly min: string; readonly max: string }

/**
 * Statistics in Delta's form; nested columns and those without a sure bound have none.
 * `returned` is what `COPY … (RETURN_STATS)` says: a map by quoted column name of maps by property, each value a text.
 */
export function fileStats(schema: TableSchema, rows: number, returned: unknown): FileStats {
  const measured = new Map([...pairs(returned)].map(([name, found]) => [name, new Map(pairs(found))]))
  const mins: string[] = []
  const maxs: string[] = []
  const nulls: string[] = []
  const columns: readonly Pick<Column, 'name' | 'type' | 'precision'>[] = [
    ...schema.columns,
    { name: '_revision', type: 'Int64' },
    { name: '_commit_time', type: 'Timestamp' },
  ]
  for (const column of columns) {
    const found = measured.get(`"${column.name}"`)
    if (found === undefined) continue
    const name = JSON.stringify(column.name)
    const nullCount = found.get('null_count')
    if (typeof nullCount === 'string') nulls.push(`${name}:${nullCount}`)
    const [min, max] = [found.get('min'), found.get('max')]
    if (typeof min !== 'string' || typeof max !== 'string' || found.get('has_nan') === 'true') continue
    const bounds = boundsOf(column, min, max)
    if (bounds === undefined) continue
    mins.push(`${name}:${bounds.min}`)
    maxs.push(`${name}:${bounds.max}`)
  }
  // Put together as text: a number of 64 bits would not survive as a number here.
  const body = `"numRecords":${rows},"minValues":{${mins.join(',')}},"maxValues":{${maxs.join(',')}},"nullCount":{${nulls.join(',')}}`
  return { rows, text: tight => `{${body},"tightBounds":${tight}}` }
}

/** The entries of a map as the client shows it: a list of `{key, value}`. */
function* pairs(map: unknown): Generator<[string, unknown]> {
  if (!Array.isArray(map)) return
  for (const entry of map as unknown[]) {
    if (typeof entry === 'object' && entry !== null && 'key' in entry && 'value' in entry)
      yield [String(entry.key), entry.value]
  }
}

function boundsOf(column: Pick<Column, 'type' | 'precision'>, min: string, max: string): Bounds | undefined {
  switch (column.type) {
    case 'Int32':
    case 'Int64':
      return { min, max }
    case 'Decimal':
      return (column.precision ?? 38) <= maxDecimalDigits ? { min, max } : undefined
    case 'Double':
      return Number.isFinite(Number(min)) && Number.isFinite(Number(max))
        ? { min: JSON.stringify(Number(min)), max: JSON.stringify(Number(max)) }
        : undefined
    case 'Date':
      return { min: JSON.stringify(min), max: JSON.stringify(max) }
    case 'Timestamp':
      return timestampBounds(min, max)
    case 'String':
    case 'UUID':
      return textBounds(min, max)
    default:
      return undefined
  }
}

/** Bounds in milliseconds, the lower rounded down and the upper up. */
function timestampBounds(min: string, max: string): Bounds | undefined {
  const pattern = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00$/
  const [lower, upper] = [pattern.exec(min), pattern.exec(max)]
  if (lower === null || upper === null) return undefined
  const millis = ([, day, time, fraction = '']: RegExpExecArray) =>
    Date.parse(`${day}T${time}.${fraction.padEnd(3, '0').slice(0, 3)}Z`)
  const over = /[1-9]/.test((upper[3] ?? '').slice(3)) ? 1 : 0
  const last = new Date(millis(upper) + over)
  if (last.getUTCFullYear() > 9999) return undefined
  return { min: JSON.stringify(new Date(millis(lower)).toISOString()), max: JSON.stringify(last.toISOString()) }
}

function textBounds(min: string, max: string): Bounds | undefined {
  const upper = [...max].length <= maxTextLength ? max : roundedUp([...max].slice(0, maxTextLength))
  if (upper === undefined) return undefined
  return { min: JSON.stringify([...min].slice(0, maxTextLength).join('')), max: JSON.stringify(upper) }
}

/** The least text of no more characters that is greater than all that begin with these; engines compare by code points. */
function roundedUp(characters: readonly string[]): string | undefined {
  for (let length = characters.length; length > 0; length--) {
    const last = characters[length - 1]?.codePointAt(0) ?? 0
    if (last >= 0x10ffff) continue
    const next = last === 0xd7ff ? 0xe000 : last + 1
    return [...characters.slice(0, length - 1), String.fromCodePoint(next)].join('')
  }
  return undefined
}
