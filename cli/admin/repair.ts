/** `blasty repair`: what the operator never does by itself, because something that was acknowledged may be given up by it. */

import { join } from 'node:path'
import { findLakeLoss, findLogLoss, type LogLoss, remakeBucket, repairLog } from '../../controllers/table/repair.ts'
import { logState } from '../../engine/log/log.ts'
import { archiveToEnd } from '../../engine/repair/archive-to-end.ts'
import { makeLakeAnew } from '../../engine/repair/new-lake.ts'
import type { Table } from '../../engine/table.ts'
import { type AdminOptions, type AdminTable, openAdminTable, openTable, withTable } from './connect.ts'
import { servedAt } from './served.ts'
import { say } from './verb.ts'

export type RepairOptions = AdminOptions & {
  readonly logLost?: boolean
  readonly lakeLost?: boolean
  readonly facade?: string
  readonly token?: string
  readonly yes?: boolean
  readonly discardLog?: boolean
}

/** Returns the exit code. */
export async function repair(name: string, options: RepairOptions, signal: AbortSignal): Promise<number> {
  if (options.logLost === options.lakeLost) throw new Error('say what is lost: --log-lost or --lake-lost')
  const table = await openAdminTable(name, options)
  try {
    return await (options.logLost ? repairLostLog : repairLostLake)(table, options, signal)
  } finally {
    await table.close()
  }
}

async function repairLostLog(table: AdminTable, options: RepairOptions, signal: AbortSignal): Promise<number> {
  const loss = await findLogLoss(table)
  const { message, archived, known, remains } = loss
  say(message)
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
}

async function repairLostLake(found: AdminTable, options: RepairOptions, signal: AbortSignal): Promise<number> {
  const { facade, token = '', yes } = options
  const { message, bucketGone } = await findLakeLoss(found)
  say(message)
  return withTable(found, async (table, directory) => {
    const { first, last } = await logState(table.log)
    const purged = first > 1 ? `rows last changed at revision ${first - 1} or before` : 'no rows'
    say(`the log holds revisions ${first} to ${last}; ${facade === undefined ? purged : 'no rows'} are lost`)
    if (bucketGone) say('the blobs are lost, and all that was the history of the lake')
    if (yes !== true) {
      say('nothing was done; --yes makes the lake anew and removes what is left of it')
      return 1
    }
    const served = facade === undefined ? undefined : await servedAt(table, { facade, token, revision: last })
    if (bucketGone) await remakeBucket(found)
    const { historySeconds } = found.resource.spec.lake
    const others: Table[] = []
    const reopen = (epoch: number) => {
      const other = openTable(found, directory, epoch)
      others.push(other)
      return other
    }
    try {
      const work = { table, reopen, directory, historySeconds, signal }
      const { epoch, archived, lostTo } = await makeLakeAnew(served === undefined ? work : { ...work, served })
      say(`the lake holds revisions up to ${archived}, of epoch ${epoch}`)
      if (lostTo > 0) say(`rows last changed at revision ${lostTo} or before are lost`)
      return 0
    } finally {
      for (const other of others) await other.close()
    }
  })
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
