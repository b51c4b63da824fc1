/** Rows on standard output: as a table for people, as lines of JSON or as CSV for programs. */

import { once } from 'node:events'
import type { Writable } from 'node:stream'
import CliTable from 'cli-table3'
import { Option } from 'commander'

export type Format = 'table' | 'json' | 'csv'

/** The option of commands that print rows. */
export const formatOption = () =>
  new Option('-o, --output <format>', 'how rows are printed').choices(['table', 'json', 'csv']).default('table')

/** JSON that is text already; numbers in it may be longer than JavaScript's. */
export class JsonText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** Values of one row, in the order of the columns. */
export type Values = readonly unknown[]

export type RowSink = {
  /** Takes rows; resolves when more may come, with false when no more are wanted. */
  readonly write: (rows: readonly Values[]) => Promise<boolean>
  readonly end: () => Promise<void>
}

/** A table is laid out whole; more rows than this are for other formats. */
const maxTableRows = 1000

/** Prints rows of these columns. */
export function printRows(columns: readonly string[], format: Format, out: Writable = process.stdout): RowSink {
  switch (format) {
    case 'json':
      return lines(out, row => jsonLine(columns, row))
    case 'csv': {
      const sink = lines(out, csvLine)
      let head: readonly Values[] = [columns]
      const withHead = (rows: readonly Values[]) => {
        const all = [...head, ...rows]
        head = []
        return sink.write(all)
      }
      return { write: withHead, end: async () => void (await withHead([])) }
    }
    case 'table':
      return table(columns, out)
  }
}

function lines(out: Writable, line: (row: Values) => string): RowSink {
  return {
    write: async rows => {
      if (rows.length > 0 && !out.write(rows.map(line).join(''))) await once(out, 'drain')
      return true
    },
    end: async () => {},
  }
}

function table(columns: readonly string[], out: Writable): RowSink {
  const rows: Values[] = []
  let cut = false
  return {
    write: async more => {
      cut ||= rows.length + more.length > maxTableRows
      rows.push(...more.slice(0, maxTableRows - rows.length))
      return !cut
    },
    end: async () => {
      const isNumber = (column: number) => rows.length > 0 && rows.every(row => /^(-?[\d.]+)?$/.test(cell(row[column])))
      const grid = new CliTable({
        head: [...columns],
        colAligns: columns.map((_, column) => (isNumber(column) ? 'right' : 'left')),
        style: { head: [], border: [], compact: true },
      })
      grid.push(...rows.map(row => columns.map((_, column) => cell(row[column]))))
      out.write(`${grid.toString()}\n`)
      if (cut) process.stderr.write(`these are the first ${maxTableRows} rows; -o json or -o csv prints all\n`)
    },
  }
}

/** Text of a value; null is empty. */
export function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (value instanceof JsonText) return value.text
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

export function jsonLine(columns: readonly string[], row: Values): string {
  const json = (value: unknown) => (value instanceof JsonText ? value.text : JSON.stringify(value ?? null))
  return `{${columns.map((name, index) => `${JSON.stringify(name)}:${json(row[index])}`).join(',')}}\n`
}

/** One line of CSV (RFC 4180, ended by LF). Null is nothing at all, the empty text `""`. */
export function csvLine(row: Values): string {
  const quoted = (value: unknown) => {
    const text = cell(value)
    const plain = value === null || value === undefined || (text !== '' && !/[",\r\n]|^\s|\s$/.test(text))
    return plain ? text : `"${text.replaceAll('"', '""')}"`
  }
  return `${row.map(quoted).join(',')}\n`
}
