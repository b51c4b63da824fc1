/** Carries a log into its lake once, up to its end, beside the archiver or in its place. */

import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ArchiveRun, Superseded } from '../lake/archive-run.ts'
import { openLake } from '../lake/archiver.ts'
import { Places } from '../lake/places.ts'
import { readableEnd } from '../log/log.ts'
import type { Table } from '../table.ts'
import { type TableParts, workUntil } from '../until.ts'

export type ArchiveToEndOptions = {
  /** Scratch folder, which is left empty. */
  readonly directory: string
  readonly historySeconds: number
  readonly signal: AbortSignal
  readonly now?: () => number
}

/**
 * Archives what the log holds at the time of the call; returns the revision that the lake then holds.
 * @throws LOG_GAP when the lake does not reach the log, LAKE_LOST, LAKE_CORRUPT, errors of the backends, the signal's reason
 */
export async function archiveToEnd(table: Table, options: ArchiveToEndOptions): Promise<number> {
  for (;;) {
    try {
      return await workUntil(table, options.signal, parts => archiveOnce(table, parts, options))
    } catch (error) {
      // An archiver that lives went on meanwhile: what it did is read, and the rest is done.
      if (!(error instanceof Superseded)) throw error
    }
  }
}

async function archiveOnce(
  table: Table,
  { lake, schemas }: TableParts,
  { directory, signal, now = Date.now, ...options }: ArchiveToEndOptions,
) {
  const end = await readableEnd(table.log)
  const state = await openLake({ table, lake, historySeconds: options.historySeconds }, now)
  const folder = join(directory, randomUUID())
  const scratch = join(folder, 'run')
  await mkdir(scratch, { recursive: true })
  const { tableUid, epoch } = table.log
  const places = table.keyed ? new Places(folder, { tableUid, epoch }) : undefined
  let run: ArchiveRun | undefined
  try {
    run = await ArchiveRun.start({ table, lake, schemas, places, scratch, state, now })
    const replica = await table.reached(end, 'rows', signal)
    for await (const batch of replica.source.changes(run.archived, signal, end)) {
      await run.add(batch)
      if (run.waiting.full) await run.commitAll()
    }
    signal.throwIfAborted()
    await run.commitAll()
    return run.archived
  } finally {
    await run?.close()
    await places?.close()
    await rm(folder, { recursive: true, force: true })
  }
}
