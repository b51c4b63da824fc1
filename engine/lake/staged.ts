/**
 * How changes lie in scratch files on their way from the log into Parquet, as lines of JSON, and the SELECTs that read them.
 * Rows with a key stand on a line each. Appended rows stand as the log has them, a line for each record of many rows: what they
 * have in common is put beside them once, and none of them is touched one by one on the way.
 */

import { commitTimeColumn, revisionColumn } from '../replica/sql-types.ts'
import type { TableSchema } from '../schema/schema.ts'
import { quoteIdentifier, quoteText } from '../sql/quote.ts'
import { readType, storedValue } from './columns.ts'

/** Stands in files beside the columns of the lake's schema: the readable revision of the batch that a row came with. */
export const batchEndField = '_blasty_batch_end'
/** What stands beside the columns in change files. `_change_type` is Delta's; the others are ours, and engines pass them over. */
export const changeFields = ['_change_type', '_blasty_revision', batchEndField, '_blasty_batch_time'] as const

/** Longest line that is read: a message of a mebibyte, with what is put beside it. */
const maxLineBytes = 2 * 1024 * 1024

/** What stands at the beginning of a line, without braces. Times are microseconds since 1970. */
export const stagedHead = (revision: number, commitTime: number, batchEnd: number): string =>
  `"${revisionColumn}":${revision},"${commitTimeColumn}":${commitTime},"${batchEndField}":${batchEnd}`

const lineFeed = 0x0a
const space = 0x20

const endOfRecord = Buffer.from('}\n')

/** The parts of a line that holds the rows of one record. `rows` is a JSON array. */
export function recordLine(head: string, rows: Uint8Array): readonly Uint8Array[] {
  // A Buffer looks for a byte many times as fast as an array does.
  const bytes = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength)
  // JSON has no bare line feed inside of a value, so that one stands between values, where a space does as well.
  const line = bytes.includes(lineFeed) ? bytes.map(byte => (byte === lineFeed ? space : byte)) : bytes
  return [Buffer.from(`{${head},"rows":`), line, endOfRecord]
}

/** A SELECT of what is stored of rows that stand on a line each, with `more` fields, in their order. */
export function selectRows(schema: TableSchema, from: string, more: readonly string[]): string {
  const types = [
    ...schema.columns.map(column => `${quoteIdentifier(column.name)}: ${quoteText(readType(column))}`),
    ...[revisionColumn, commitTimeColumn].map(name => `${name}: 'BIGINT'`),
    ...more.map(name => `${name}: ${name === changeFields[0] ? `'VARCHAR'` : `'BIGINT'`}`),
  ]
  return `SELECT ${stored(schema, more)} FROM ${lines([from], types)}`
}

/** A SELECT of what is stored of rows that stand on a line for each record, in the order of the files and theirs. */
export function selectRecords(schema: TableSchema, from: readonly string[]): string {
  const row = schema.columns.map(column => `${quoteIdentifier(column.name)} ${readType(column)}`)
  const beside = [revisionColumn, commitTimeColumn, batchEndField]
  const types = [`rows: ${quoteText(`STRUCT(${row.join(', ')})[]`)}`, ...beside.map(name => `${name}: 'BIGINT'`)]
  // The list is one level, the row the second; what lies deeper is left as it is.
  const rows = `SELECT unnest(rows, max_depth := 2), ${beside.join(', ')} FROM ${lines(from, types)}`
  return `SELECT ${stored(schema, [batchEndField])} FROM (${rows})`
}

const stored = (schema: TableSchema, more: readonly string[]): string =>
  [
    ...schema.columns.map(column => `${storedValue(column)} AS ${quoteIdentifier(column.name)}`),
    revisionColumn,
    `make_timestamptz(${commitTimeColumn}) AS ${commitTimeColumn}`,
    ...more,
  ].join(', ')

const lines = (from: readonly string[], types: readonly string[]): string =>
  `read_json([${from.map(quoteText).join(', ')}], columns = {${types.join(', ')}}, format = 'newline_delimited',
    compression = 'uncompressed', maximum_object_size = ${maxLineBytes})`
