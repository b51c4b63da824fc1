/** `export`: all rows of a Table, at one revision, into a file that is there only when it is whole. */

import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { extname } from 'node:path'
import type { Writable } from 'node:stream'
import { type Command, Option } from 'commander'
import { quoteIdentifier } from '../../engine/sql/quote.ts'
import { ColumnType } from '../../proto/gen/blasty/v1/common_pb.js'
import { QueryService } from '../../proto/gen/blasty/v1/query_service_pb.js'
import { UsageError } from './failure.ts'
import { csvLine, jsonLine, type Values } from './output.ts'
import { startProgress } from './progress.ts'
import { resultParts } from './query.ts'
import { pages } from './read.ts'
import { type TableInfo, tableInfo } from './schema.ts'
import { runSession, type Session, type SessionOptions, withConnection } from './session.ts'
import { writeParquet } from './table-files.ts'
import { minTokenOf, minTokenOption } from './token.ts'

const formats = ['ndjson', 'csv', 'parquet'] as const
type Format = (typeof formats)[number]
type Exporting = SessionOptions & { readonly format?: Format; readonly minToken?: string; readonly quiet?: true }

export function addExporting(program: Command): void {
  withConnection(program.command('export <table> [file]'))
    .description('all rows of a table into a file, or to standard output')
    .addOption(new Option('--format <format>', 'default: by the ending of the file, else ndjson').choices(formats))
    .addOption(minTokenOption())
    .option('--quiet', 'show no progress')
    .action((table: string, file: string | undefined, options: Exporting) =>
      runSession(options, session => exportTable(session, table, file, options)),
    )
}

async function exportTable(
  session: Session,
  table: string,
  file: string | undefined,
  options: Exporting,
): Promise<void> {
  const format =
    options.format ??
    formats.find(
      one =>
        one ===
        extname(file ?? '')
          .slice(1)
          .toLowerCase(),
    ) ??
    'ndjson'
  if (format === 'parquet' && file === undefined) throw new UsageError('parquet is written to a file')
  const info = await tableInfo(session, table)
  const rows =
    info.primaryKey.length > 0 ? listed(session, table, info, options) : selected(session, table, info, options)
  if (file === undefined) {
    await writeRows(rows, info, format, process.stdout, true)
    return
  }
  const part = `${file}.part`
  const lines = format === 'parquet' ? `${file}.part.ndjson` : part
  try {
    const out = createWriteStream(lines)
    const count = await writeRows(rows, info, format, out, options.quiet)
    out.end()
    await once(out, 'finish')
    if (format === 'parquet') await writeParquet(lines, part, info)
    await rename(part, file)
    process.stderr.write(`${count} rows in ${file}\n`)
  } finally {
    for (const path of [part, lines]) await rm(path, { force: true })
  }
}

/** Writes rows in a text form; resolves with how many there were. */
async function writeRows(
  rows: AsyncIterable<readonly Values[]>,
  { columns }: TableInfo,
  format: Format,
  out: Writable,
  quiet = false,
): Promise<number> {
  const names = columns.map(({ name }) => name)
  const line = format === 'csv' ? csvLine : (row: Values) => jsonLine(names, row)
  const progress = startProgress(undefined, quiet)
  let count = 0
  try {
    if (format === 'csv') out.write(csvLine(names))
    for await (const some of rows) {
      count += some.length
      if (!out.write(some.map(line).join(''))) await once(out, 'drain')
      progress.update(count, count)
    }
  } finally {
    progress.stop()
  }
  return count
}

/** Rows of a keyed Table by pages of one snapshot: no statement runs for as long as that takes. */
async function* listed(
  session: Session,
  table: string,
  { columns }: TableInfo,
  options: Exporting,
): AsyncGenerator<Values[]> {
  for await (const rows of pages(session, table, minTokenOf(options.minToken))) {
    yield rows.map(({ rowJson }) => {
      const row: unknown = JSON.parse(rowJson)
      return columns.map(({ name }) => Reflect.get(Object(row), name))
    })
  }
}

/** Rows of an append-only Table: it has no key to list by. */
async function* selected(
  { service, namespace, signal }: Session,
  table: string,
  { columns }: TableInfo,
  options: Exporting,
): AsyncGenerator<readonly Values[]> {
  const exact = [ColumnType.INT64, ColumnType.DECIMAL]
  const values = columns.map(({ name, type, itemType }) => {
    const column = quoteIdentifier(name)
    // Numbers in lists come as JSON, whose readers round them.
    return type === ColumnType.ARRAY && exact.includes(itemType) ? `CAST(${column} AS VARCHAR[]) AS ${column}` : column
  })
  const sql = `SELECT ${values.join(', ')} FROM ${quoteIdentifier(table)}`
  for await (const part of resultParts(
    service(QueryService).query({ namespace, sql, ...minTokenOf(options.minToken) }, { signal }),
  )) {
    if (part.kind === 'rows') yield part.rows
  }
}
