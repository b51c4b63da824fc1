/** A stored row as the JSON text that clients get, without parsing it: reading a row by its key costs little else. */

import type { TableSchema } from './schema.ts'

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

/**
 * Compiles the text of rows under a schema: a JSON object with every column, null where the row has none.
 * @returns undefined for a row that is not made of the schema's columns in their order, such as one with a column retired since
 */
export function rowText({ columns }: TableSchema): (body: Uint8Array) => string | undefined {
  const labels = columns.map(({ name }) => Buffer.from(`"${name}":`))
  const nulls = columns.map(({ name }) => `"${name}":null`)
  return body => {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    const parts: string[] = []
    let at = 1
    /** Columns from here on are copied with the next part. */
    let from = 1
    for (let i = 0; i < labels.length; i++) {
      const label = labels[i]
      const absent = nulls[i]
      if (label === undefined || absent === undefined) continue
      if (startsWith(bytes, at, label)) {
        at = behindValue(bytes, at + label.length)
        if (bytes[at] === comma) at++
      } else {
        if (at > from) parts.push(columnsText(bytes, from, at))
        from = at
        parts.push(absent)
      }
    }
    if (at > from) parts.push(columnsText(bytes, from, at))
    return at === bytes.length - 1 && bytes[0] === openBrace ? `{${parts.join(',')}}` : undefined
  }
}

/** The columns from `from` to `to`, without a comma at their end. */
const columnsText = (bytes: Buffer, from: number, to: number): string =>
  bytes.toString('utf8', from, bytes[to - 1] === comma ? to - 1 : to)

function startsWith(bytes: Uint8Array, at: number, part: Uint8Array): boolean {
  for (let i = 0; i < part.length; i++) if (bytes[at + i] !== part[i]) return false
  return true
}

/** Behind the JSON value that begins at `at`. The bytes are known to be JSON. */
function behindValue(bytes: Uint8Array, at: number): number {
  let depth = 0
  let i = at
  for (; i < bytes.length; i++) {
    const byte = bytes[i]
    if (byte === quote) {
      i++
      while (i < bytes.length && bytes[i] !== quote) i += bytes[i] === backslash ? 2 : 1
    } else if (byte === openBrace || byte === openBracket) depth++
    else if (depth === 0 && (byte === comma || byte === closeBrace)) return i
    else if (byte === closeBrace || byte === closeBracket) depth--
  }
  return i
}
