/** `search` and `watch`: what an Index finds, and changes as they come. */

import { type Command, Option } from 'commander'
import { SearchService } from '../../proto/gen/blasty/v1/search_service_pb.js'
import { type Event, EventKind, SubscriptionService } from '../../proto/gen/blasty/v1/subscription_service_pb.js'
import { type Format, formatOption, JsonText, printRows } from './output.ts'
import { count } from './read.ts'
import { runSession, type Session, type SessionOptions, withConnection } from './session.ts'
import { minTokenOf, minTokenOption } from './token.ts'

type Searching = SessionOptions & {
  readonly output: Format
  readonly minToken?: string
  readonly where?: string
  readonly sort: readonly string[]
  readonly facet: readonly string[]
  readonly limit: number
}
type Watching = SessionOptions & { readonly where?: string; readonly snapshot?: true; readonly limit?: number }

const collect = (value: string, before: readonly string[]): string[] => [...before, value]

export function addFollowing(program: Command): void {
  withConnection(program.command('search <index> [query]'))
    .description('rows that an index finds, best first')
    .addOption(formatOption())
    .addOption(minTokenOption())
    .option('--where <expression>', 'SQL expression over filterable columns')
    .option('--sort <column>', 'sort by a column, -column for descending; may be repeated', collect, [])
    .option('--facet <column>', 'count the values of a column, on standard error; may be repeated', collect, [])
    .addOption(new Option('--limit <n>', 'hits at most').argParser(count).default(20))
    .action((index: string, query: string | undefined, options: Searching) =>
      runSession(options, session => search(session, index, query ?? '', options)),
    )
  withConnection(program.command('watch <table>'))
    .description('changes as they come, one JSON object a line, until Ctrl-C')
    .option('--where <expression>', 'SQL expression that the rows fulfil')
    .option('--snapshot', 'first every row there is')
    .addOption(new Option('--limit <n>', 'end after so many lines').argParser(count))
    .action((table: string, options: Watching) => runSession(options, session => watch(session, table, options)))
}

async function search(
  { service, namespace, signal }: Session,
  name: string,
  q: string,
  options: Searching,
): Promise<void> {
  const sort = options.sort.map(column => ({ column: column.replace(/^-/, ''), descending: column.startsWith('-') }))
  const { where = '', facet: facets, limit, output } = options
  const request = { index: { namespace, name }, q, where, sort, facets: [...facets], limit, withRows: true }
  const {
    hits,
    facets: counted,
    estimatedTotalHits,
  } = await service(SearchService).search({ ...request, ...minTokenOf(options.minToken) }, { signal })
  const rows = hits.map(({ keyJson, row }): Record<string, unknown> => JSON.parse(row?.rowJson ?? keyJson))
  const columns = [...new Set(rows.flatMap(row => Object.keys(row)))]
  const sink = printRows(columns, output)
  await sink.write(rows.map(row => columns.map(column => row[column])))
  await sink.end()
  process.stderr.write(`about ${estimatedTotalHits} found\n`)
  for (const { column, counts } of counted) {
    process.stderr.write(`${column}: ${counts.map(({ value, count: n }) => `${value} (${n})`).join(', ')}\n`)
  }
}

async function watch({ service, table, signal }: Session, name: string, options: Watching): Promise<void> {
  const start = options.snapshot ? { case: 'snapshot' as const, value: {} } : { case: 'now' as const, value: {} }
  const columns = ['kind', 'revision', 'commit_time', 'old', 'new']
  const sink = printRows(columns, 'json')
  let left = options.limit ?? Number.POSITIVE_INFINITY
  const print = async (rows: readonly (readonly unknown[])[]) => {
    await sink.write(rows.slice(0, left))
    left -= rows.length
  }
  const messages = service(SubscriptionService).watch(
    { table: table(name), where: options.where ?? '', start },
    { signal },
  )
  for await (const { message } of messages) {
    if (message.case === 'rows')
      await print(message.value.rows.map(row => ['ROW', String(row.revision), null, null, new JsonText(row.rowJson)]))
    if (message.case === 'ready') process.stderr.write('watching\n')
    if (message.case === 'events') await print(message.value.events.map(eventValues))
    if (left <= 0) return
  }
}

function eventValues({ kind, revision, commitTime, oldRowJson, newRowJson }: Event): unknown[] {
  const { seconds = 0n, nanos = 0 } = commitTime ?? {}
  const at = new Date(Number(seconds) * 1000 + nanos / 1e6).toISOString()
  const json = (text: string | undefined) => (text === undefined ? null : new JsonText(text))
  return [EventKind[kind], String(revision), at, json(oldRowJson), json(newRowJson)]
}
