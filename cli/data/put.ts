/** `put`: a few rows as one atomic batch. */

import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import { MutationService } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { UsageError } from './failure.ts'
import { printRows } from './output.ts'
import { runSession, type Session, type SessionOptions, withConnection } from './session.ts'
import { tokenText } from './token.ts'

type Putting = SessionOptions & {
  readonly ifAbsent?: true
  readonly ifRevision?: string
  readonly mutationId?: string
}

export function addPutting(program: Command): void {
  withConnection(program.command('put <table> [rows...]'))
    .description('put rows, each a JSON object, as one batch, all or none; without rows, lines of standard input')
    .option('--if-absent', 'only if none of the rows exists')
    .option('--if-revision <revision>', 'only if the last change of each row has this revision')
    .option('--mutation-id <id>', 'makes a retry safe: the same id and rows are written once')
    .action((table: string, rows: string[], options: Putting) =>
      runSession(options, session => put(session, table, rows, options)),
    )
}

async function put(
  { service, table, signal }: Session,
  name: string,
  given: readonly string[],
  options: Putting,
): Promise<void> {
  const rows = given.length > 0 ? given : (await text(process.stdin)).split('\n').filter(line => line.trim() !== '')
  if (rows.length === 0) throw new UsageError('no rows were given')
  const condition = conditionOf(options)
  const mutations = rows.map(value => ({ operation: { case: 'putRowJson' as const, value }, ...condition }))
  const request = { table: table(name), mutations, mutationId: options.mutationId ?? '' }
  const { revision, replayed, token } = await service(MutationService).write(request, { signal })
  const sink = printRows(['rows', 'revision', 'replayed', 'token'], 'json')
  await sink.write([[rows.length, String(revision), replayed, tokenText(token)]])
  await sink.end()
}

function conditionOf({ ifAbsent, ifRevision }: Putting) {
  if (ifAbsent !== undefined && ifRevision !== undefined)
    throw new UsageError('--if-absent and --if-revision exclude each other')
  if (ifAbsent) return { condition: { case: 'ifAbsent' as const, value: true } }
  if (ifRevision === undefined) return {}
  if (!/^\d+$/.test(ifRevision)) throw new UsageError(`--if-revision ${ifRevision} is no revision`)
  return { condition: { case: 'ifRevision' as const, value: BigInt(ifRevision) } }
}
