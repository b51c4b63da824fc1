/** Removing the rows of one Table that are older than its spec wants them kept. */

import { join } from 'node:path'
import { isBlastyError } from '../base/errors.ts'
import type { ServedTable } from '../directory/directory.ts'
import { keepExpiring } from '../engine/expiry/expire.ts'
import type { ExpiryReport } from '../engine/membership/reports.ts'
import type { Job } from './jobs.ts'
import { ProgressReporter } from './progress.ts'
import { tableVersion, type WorkerOptions } from './worker.ts'

/** The job of a Table whose rows are not kept for ever; none for others. */
export function expiryJob(served: ServedTable, { id: worker, log, dataDirectory }: WorkerOptions): Job[] {
  const { table, backends, resource } = served
  const { namespace, name, uid: tableUid, epoch } = table.descriptor
  const retentionSeconds = resource.spec.rows?.retentionSeconds
  if (retentionSeconds === undefined) return []
  const run = async (signal: AbortSignal) => {
    const reporter = new ProgressReporter(backends.reports, error =>
      log.warn({ err: error, table: table.log.table }, 'a report could not be written'),
    )
    let last: ExpiryReport = { kind: 'expiry', tableUid, worker, epoch }
    try {
      await keepExpiring({
        table,
        retentionSeconds,
        scratch: join(dataDirectory, 'expiry', namespace, name),
        signal,
        onProgress: ({ oldest, expired }) => {
          last = {
            ...{ kind: 'expiry', tableUid, worker, epoch },
            ...(oldest !== undefined && { oldestTime: new Date(oldest / 1000).toISOString() }),
            ...(expired > 0 && { revision: expired }),
          }
          reporter.tell(last)
        },
        onFailure: error => {
          log.error(
            { err: error, table: table.log.table },
            'rows that are too old cannot be removed, it is tried again',
          )
          const problem = isBlastyError(error) ? error.message : 'an internal error; the log of the worker tells more'
          reporter.tell({ ...last, error: problem })
        },
      })
    } finally {
      await reporter.end()
    }
  }
  const version = `${tableVersion(served)} ${retentionSeconds}`
  return [{ id: `expiry/${tableUid}`, version, beside: `lake/${tableUid}`, run }]
}
