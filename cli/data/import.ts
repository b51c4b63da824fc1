/** `import`: a file into a Table, chunk by chunk; begun again under the same id it writes only what is missing. */

import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { type Command, Option } from 'commander'
import { byteChunks, type Chunk, lineChunks, linesOf, rowChunks } from './chunks.ts'
import { UsageError } from './failure.ts'
import { printRows } from './output.ts'
import { startProgress } from './progress.ts'
import { tableInfo } from './schema.ts'
import { sendLines, sendRows } from './send.ts'
import { runSession, type Session, type SessionOptions, withConnection } from './session.ts'
import { openTableFile } from './table-files.ts'
import { tokenText } from './token.ts'

const formats = ['ndjson', 'csv', 'parquet', 'text'] as const
type Format = (typeof formats)[number]

type Importing = SessionOptions & {
  readonly format?: Format
  readonly importId?: string
  readonly column?: string
  readonly constants?: string
  readonly quiet?: true
}

export function addImporting(program: Command): void {
  withConnection(program.command('import <table> [file]'))
    .description('rows of a file, or of standard input (- or none), into a table')
    .addOption(new Option('--format <format>', 'default: by the ending of the file, else ndjson').choices(formats))
    .option('--import-id <id>', 'to resume an import that broke off: the id it told, with the same file')
    .option('--column <name>', 'text: the String column that takes each line')
    .option('--constants <json>', 'text: values of other columns, a JSON object')
    .option('--quiet', 'show no progress')
    .action((table: string, file: string | undefined, options: Importing) =>
      runSession(options, session => importFile(session, table, file ?? '-', options)),
    )
}

type Source = {
  readonly chunks: AsyncIterable<Chunk>
  /** What the weights of all chunks sum up to, when that is known. */
  readonly total: number | undefined
  readonly close: () => void
}

async function importFile(session: Session, table: string, file: string, options: Importing): Promise<void> {
  const format = options.format ?? formatOf(file)
  const importId = options.importId ?? `${basename(file).slice(0, 40)}-${randomBytes(6).toString('hex')}`
  const info = await tableInfo(session, table)
  const keyed = info.primaryKey.length > 0
  if (format === 'text' && options.column === undefined) throw new UsageError('text needs --column')
  if (format === 'text' && keyed) throw new UsageError('text goes into a table without a primary key')
  const source = await open(file, format, keyed, info)
  const progress = startProgress(source.total, options.quiet)
  const lines = format === 'text' ? { column: options.column ?? '', constantsJson: options.constants ?? '' } : undefined
  const send = keyed ? sendRows : sendLines(lines)
  try {
    const { rows, chunks, replayed, token } = await send(session, { table, importId }, source.chunks, (done, weight) =>
      progress.update(done, weight),
    )
    progress.stop()
    const sink = printRows(['rows', 'chunks', 'replayed', 'token', 'import_id'], 'json')
    await sink.write([[rows, chunks, replayed, tokenText(token), importId]])
  } catch (error) {
    progress.stop()
    process.stderr.write(`what was acknowledged stays; to go on, run it again with --import-id ${importId}\n`)
    throw error
  } finally {
    source.close()
  }
}

function formatOf(file: string): Format {
  const endings: Readonly<Record<string, Format>> = {
    '.csv': 'csv',
    '.parquet': 'parquet',
    '.txt': 'text',
    '.log': 'text',
  }
  return endings[extname(file).toLowerCase()] ?? 'ndjson'
}

async function open(
  file: string,
  format: Format,
  keyed: boolean,
  info: Awaited<ReturnType<typeof tableInfo>>,
): Promise<Source> {
  if (format === 'csv' || format === 'parquet') {
    if (file === '-') throw new UsageError(`${format} is read from a file, not from standard input`)
    const { count, rows, close } = await openTableFile(file, format, info)
    return { chunks: keyed ? rowChunks(rows(), () => 1) : lineChunks(rows()), total: count, close }
  }
  const total = file === '-' ? undefined : (await stat(file)).size
  const stream = file === '-' ? process.stdin : createReadStream(file, { highWaterMark: 1024 * 1024 })
  const chunks = keyed ? rowChunks(linesOf(stream), line => Buffer.byteLength(line) + 1) : byteChunks(stream)
  return { chunks, total, close: () => stream.destroy() }
}
