/** `blasty repair`: what the operator never does by itself, because something that was acknowledged may be given up by it. */

import { join } from 'node:path'
import type { Command } from 'commander'
import { findLogLoss, type LogLoss, repairLog } from '../../controllers/table/repair.ts'
import { archiveToEnd } from '../../engine/repair/archive-to-end.ts'
import { type AdminOptions, type AdminTable, openAdminTable, withCluster, withTable } from './connect.ts'
import { say, verb } from './verb.ts'

type RepairOptions = AdminOptions & {
  readonly logLost?: boolean
  readonly yes?: boolean
  readonly discardLog?: boolean
}

export function addRepair(program: Command): void {
  withCluster(
    program
      .command('repair <namespace/table>')
      .description('go on with a Table whose log is lost, from what its lake holds; says what is lost'),
  )
    .option('--log-lost', 'begin a new epoch of the log, above every revision ever issued')
    .option('--discard-log', 'give up what is left of the log and cannot be archived any more')
    .option('--yes', 'do it; without, it is only said what would be done')
    .action((name: string, options: RepairOptions) => verb(signal => repair(name, options, signal)))
}

async function repair(name: string, options: RepairOptions, signal: AbortSignal): Promise<number> {
  if (options.logLost !== true) throw new Error('say what is lost: --log-lost')
  const table = await openAdminTable(name, options)
  try {
    const loss = await findLogLoss(table)
    say(`${name}: ${loss.message}`)
    const { archived, known, remains } = loss
    say(archived > 0 ? `the lake holds revisions up to ${archived}` : 'the lake holds nothing of the log')
    if (remains !== undefined && remains.last > archived) {
      say(`the log still holds revisions ${remains.first} to ${remains.last}, of epoch ${remains.epoch}`)
    }
    if (options.yes !== true) {
      say(`${lossOf(archived, known)} unless the log can be restored from a backup`)
      say('nothing was done; --yes begins a new epoch')
      return 1
    }
    await salvage(table, loss, options, signal)
    const begun = await repairLog(table, { loss })
    say(lossOf(begun.kept, begun.known))
    say(`epoch ${begun.epoch} begins at revision ${begun.first}; the operator takes it up within about a minute`)
    return 0
  } finally {
    await table.close()
  }
}

function lossOf(kept: number, known: number): string {
  const unknown = 'and what was acknowledged behind that without anybody having told of it'
  return kept < known
    ? `revisions ${kept + 1} to ${known} are lost, ${unknown}`
    : `nothing up to ${known} is lost; ${unknown} is`
}

/** Archives what is left of the log, when anything is. */
async function salvage(
  table: AdminTable,
  { remains, archived }: LogLoss,
  { discardLog }: RepairOptions,
  signal: AbortSignal,
): Promise<void> {
  if (remains === undefined || remains.last <= archived || discardLog === true) return
  const { historySeconds } = table.resource.spec.lake
  try {
    const reached = await withTable(
      table,
      (opened, directory) => archiveToEnd(opened, { directory: join(directory, 'lake'), historySeconds, signal }),
      remains.epoch,
    )
    say(`what is left of the log was archived, up to revision ${reached}`)
  } catch (error) {
    throw new Error('what is left of the log cannot be archived; --discard-log gives it up', { cause: error })
  }
}
