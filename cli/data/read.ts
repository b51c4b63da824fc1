/** `tables`, `get` and `sql`: what there is, rows by key, rows by SQL. */

import { fromJson, type MessageInitShape } from '@bufbuild/protobuf'
import { TimestampSchema } from '@bufbuild/protobuf/wkt'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { CatalogService } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import type { Row } from '../../proto/gen/blasty/v1/common_pb.js'
import {
  type ListRequest,
  QueryEngine,
  type QueryRequestSchema,
  QueryService,
} from '../../proto/gen/blasty/v1/query_service_pb.js'
import { MissingError, UsageError } from './failure.ts'
import { type Format, formatOption, printRows, type RowSink, type Values } from './output.ts'
import { resultParts } from './query.ts'
import { keyJson, type TableInfo, tableInfo, typeName } from './schema.ts'
import { runSession, type Session, type SessionOptions, withConnection } from './session.ts'
import { minTokenOf, minTokenOption, tokenOf, tokenText } from './token.ts'

type Reading = SessionOptions & { readonly output: Format; readonly minToken?: string }
type Getting = Reading & {
  readonly prefix?: string
  readonly startsWith?: string
  readonly after?: string
  readonly limit: number
}

type Querying = Reading & {
  readonly asOfRevision?: string
  readonly asOfTime?: string
  readonly engine?: 'embedded' | 'trino'
}

const maxPage = 1000

/** A whole number from 1 on, of an option. */
export function count(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new InvalidArgumentError(`${text} is no whole number above zero`)
}

export function addReading(program: Command): void {
  withConnection(program.command('tables [table]'))
    .description('list the tables you may use, or the columns of one')
    .addOption(formatOption())
    .action((name: string | undefined, options: Reading) =>
      runSession(options, session =>
        name === undefined ? listTables(session, options) : describeTable(session, name, options),
      ),
    )
  withConnection(program.command('get <table> [keys...]'))
    .description('rows by key: 7001, a=1,b=2 or JSON; without keys, rows in the order of the key')
    .addOption(formatOption())
    .addOption(minTokenOption())
    .option('--prefix <key>', 'only keys that begin with these columns')
    .option('--starts-with <text>', 'only keys whose next column begins with this text')
    .option('--after <key>', 'only keys behind this one')
    .addOption(new Option('--limit <n>', 'rows at most, without keys').argParser(count).default(100))
    .action((name: string, keys: string[], options: Getting) =>
      runSession(options, session =>
        keys.length > 0 ? getRows(session, name, keys, options) : listRows(session, name, options),
      ),
    )
  withConnection(program.command('sql <statement>'))
    .description('rows of one SELECT')
    .addOption(formatOption())
    .addOption(minTokenOption())
    .addOption(
      new Option('--as-of-revision <token>', 'the tables as they were at this token').conflicts([
        'minToken',
        'asOfTime',
      ]),
    )
    .addOption(new Option('--as-of-time <time>', 'the tables as they were then, RFC 3339').conflicts('minToken'))
    .addOption(new Option('--engine <engine>', 'where it runs; default: as the tables say').choices(engines))
    .action((sql: string, options: Querying) => runSession(options, session => runSql(session, sql, options)))
}

async function listTables({ service, namespace, signal }: Session, { output }: Reading): Promise<void> {
  const sink = printRows(['namespace', 'table', 'ready', 'service'], output)
  let pageToken = ''
  do {
    const page = await service(CatalogService).listTables({ namespace, pageToken }, { signal })
    await sink.write(
      page.tables.map(({ table, ready, service: typed }) => [table?.namespace, table?.name, ready, typed]),
    )
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  await sink.end()
}

async function describeTable(session: Session, name: string, { output }: Reading): Promise<void> {
  const { columns, primaryKey } = await tableInfo(session, name)
  const sink = printRows(['column', 'type', 'required', 'key'], output)
  await sink.write(
    columns.map(column => [column.name, typeName(column), column.required, primaryKey.includes(column.name)]),
  )
  await sink.end()
}

async function getRows(session: Session, name: string, keys: readonly string[], options: Getting): Promise<void> {
  const { service, table, signal } = session
  const info = await tableInfo(session, name)
  const keysJson = keys.map(key => keyJson(info, key))
  const sink = rowSink(info, options.output)
  const missing: string[] = []
  for (let from = 0; from < keysJson.length; from += maxPage) {
    const request = {
      table: table(name),
      keysJson: keysJson.slice(from, from + maxPage),
      ...minTokenOf(options.minToken),
    }
    const { results } = await service(QueryService).batchGet(request, { signal })
    const rows = results.flatMap(({ row }, index) => {
      if (row === undefined) missing.push(keys[from + index] ?? '')
      return row === undefined ? [] : [row]
    })
    await sink.write(rows.map(row => valuesOf(info, row)))
  }
  await sink.end()
  if (missing.length > 0) throw new MissingError(`no row has the key ${missing.join(', ')}`)
}

async function listRows(session: Session, name: string, options: Getting): Promise<void> {
  const info = await tableInfo(session, name)
  const sink = rowSink(info, options.output)
  const range = {
    ...(options.prefix === undefined ? {} : { prefixJson: keyJson(info, options.prefix, true) }),
    ...(options.startsWith === undefined ? {} : { startsWith: options.startsWith }),
    ...(options.after === undefined
      ? {}
      : { start: { case: 'afterJson' as const, value: keyJson(info, options.after, true) } }),
  }
  let left = options.limit
  for await (const rows of pages(session, name, {
    range,
    pageSize: Math.min(left, maxPage),
    ...minTokenOf(options.minToken),
  })) {
    if (!(await sink.write(rows.slice(0, left).map(row => valuesOf(info, row))))) break
    left -= rows.length
    if (left <= 0) break
  }
  await sink.end()
}

type FirstPage = Partial<Pick<ListRequest, 'pageSize' | 'minToken'>> & { readonly range?: object }

/** The rows of a listing, page by page, all at one revision. */
export async function* pages(
  { service, table, signal }: Session,
  name: string,
  first: FirstPage,
): AsyncGenerator<Row[]> {
  const { pageSize = maxPage } = first
  let page = await service(QueryService).list({ ...first, pageSize, table: table(name) }, { signal })
  yield page.rows
  while (page.nextPageToken !== '') {
    const pageToken = page.nextPageToken
    page = await service(QueryService).list({ pageToken, pageSize, table: table(name) }, { signal })
    yield page.rows
  }
}

/** Prints rows of a Table, and the revision of each. */
const rowSink = ({ columns }: TableInfo, output: Format): RowSink =>
  printRows([...columns.map(({ name }) => name), '_revision'], output)

function valuesOf({ columns }: TableInfo, { rowJson, revision }: Row): Values {
  const row: unknown = JSON.parse(rowJson)
  return [...columns.map(({ name }) => Reflect.get(Object(row), name)), String(revision)]
}

/** The field of a request. Throws UsageError for what is no token or no time. */
function asOfOf({ asOfRevision, asOfTime }: Querying): Pick<MessageInitShape<typeof QueryRequestSchema>, 'asOf'> {
  if (asOfRevision !== undefined)
    return { asOf: { case: 'asOfRevision', value: tokenOf(asOfRevision, '--as-of-revision') } }
  if (asOfTime === undefined) return {}
  try {
    return { asOf: { case: 'asOfTime', value: fromJson(TimestampSchema, asOfTime) } }
  } catch (cause) {
    throw new UsageError(`--as-of-time ${asOfTime} is no time such as 2026-01-31T12:00:00Z`, { cause })
  }
}

const engines = ['embedded', 'trino'] as const

function engineOf({ engine }: Querying): { engine?: QueryEngine } {
  if (engine === undefined) return {}
  return { engine: engine === 'trino' ? QueryEngine.TRINO : QueryEngine.EMBEDDED }
}

async function runSql({ service, namespace, signal }: Session, sql: string, options: Querying): Promise<void> {
  let sink: RowSink | undefined
  const request = { namespace, sql, ...minTokenOf(options.minToken), ...asOfOf(options), ...engineOf(options) }
  for await (const part of resultParts(service(QueryService).query(request, { signal }))) {
    if (part.kind === 'columns')
      sink = printRows(
        part.columns.map(({ name }) => name),
        options.output,
      )
    if (part.kind === 'rows' && (await sink?.write(part.rows)) === false) break
    if (part.kind === 'end' && options.output !== 'table') process.stderr.write(`token ${tokenText(part.token)}\n`)
  }
  await sink?.end()
}
