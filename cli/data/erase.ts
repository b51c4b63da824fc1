/** `erase`: rows that every store is to forget, and how far the stores are. */

import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt'
import type { Command } from 'commander'
import { CatalogService, type GetErasureResponse } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import { MutationService } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { UsageError } from './failure.ts'
import { type Format, formatOption, printRows } from './output.ts'
import { keyJson, tableInfo } from './schema.ts'
import { runSession, type Session, type SessionOptions, withConnection } from './session.ts'
import { tokenText } from './token.ts'

type Erasing = SessionOptions & {
  readonly yes?: true
  readonly wait?: true
  readonly id?: string
  readonly status?: string
  readonly output: Format
}

const pollMillis = 1_000

export function addErasing(program: Command): void {
  withConnection(program.command('erase <table> [keys...]'))
    .description('delete rows and make every store forget them, which cannot be undone')
    .option('--yes', 'do not ask')
    .option('--wait', 'wait until every store has forgotten, but for blobs that have to wait for their day')
    .option('--id <id>', 'what the erasure is called: the same id and keys are one erasure')
    .option('--status <id>', 'tell how far an erasure is, and erase nothing')
    .addOption(formatOption())
    .action((table: string, keys: string[], options: Erasing) =>
      runSession(options, session => run(session, table, keys, options)),
    )
}

async function run(session: Session, name: string, keys: readonly string[], options: Erasing): Promise<void> {
  if (options.status !== undefined) {
    if (keys.length > 0) throw new UsageError('--status takes no keys')
    return printStatus(await statusOf(session, name, options.status), options.output)
  }
  if (keys.length === 0) throw new UsageError('no keys were given')
  const { service, table, signal } = session
  const info = await tableInfo(session, name)
  const keysJson = keys.map(key => keyJson(info, key))
  if (!options.yes) await confirm(name, keys)
  const request = { table: table(name), keysJson, erasureId: options.id ?? randomUUID() }
  const { erasureId, token } = await service(MutationService).erase(request, { signal })
  process.stderr.write(`erasure ${erasureId}: the rows are gone at ${tokenText(token)}\n`)
  const status = options.wait ? await waited(session, name, erasureId) : await statusOf(session, name, erasureId)
  await printStatus(status, options.output)
}

async function confirm(name: string, keys: readonly string[]): Promise<void> {
  if (!process.stdin.isTTY) throw new UsageError('it cannot be undone; confirm it with --yes')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const shown = keys.length > 5 ? `${keys.slice(0, 5).join(', ')} and ${keys.length - 5} more` : keys.join(', ')
  const answer = await lines.question(
    `Erase ${shown} from ${name}? Rows, their history and that of the whole Table before go for ever. Type the Table's name: `,
  )
  lines.close()
  if (answer.trim() !== name) throw new UsageError('nothing was erased')
}

const statusOf = ({ service, table, signal }: Session, name: string, erasureId: string) =>
  service(CatalogService).getErasure({ table: table(name), erasureId }, { signal })

/** Waits until nothing is waited for but a time that is known. */
async function waited(session: Session, name: string, id: string): Promise<GetErasureResponse> {
  for (let told = ''; ; ) {
    const status = await statusOf(session, name, id)
    const left = status.stores.filter(({ done }) => !done)
    const text = left.map(store => `${store.name}: ${store.reason}`).join('; ')
    if (text !== told) process.stderr.write(`${text}\n`)
    told = text
    if (status.stores.length > 0 && left.every(({ until }) => until !== undefined)) return status
    await sleep(pollMillis, undefined, { signal: session.signal })
  }
}

async function printStatus({ stores }: GetErasureResponse, format: Format): Promise<void> {
  const sink = printRows(['store', 'state', 'time', 'removed', 'says'], format)
  await sink.write(
    stores.map(({ name, done, time, until, removed, looked, reason }) => [
      name,
      done ? 'Done' : 'Waiting',
      timeText(done ? time : until),
      done ? Number(removed) : null,
      done ? looked : reason,
    ]),
  )
  await sink.end()
}

const timeText = (time: Timestamp | undefined) => (time === undefined ? null : timestampDate(time).toISOString())
