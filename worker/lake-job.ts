/** Archiving one Table. */

import { join } from 'node:path'
import { isBlastyError } from '../base/errors.ts'
import type { ServedTable } from '../directory/directory.ts'
import { archive } from '../engine/lake/archiver.ts'
import type { Job } from './jobs.ts'
import { ProgressReporter } from './progress.ts'
import { tableVersion, type WorkerOptions } from './worker.ts'

const unopened = { revision: 0, version: -1, rows: 0, files: 0, bytes: 0 }

/** The job of carrying a Table's log into its lake. */
export function lakeJob(served: ServedTable, { id: worker, log, dataDirectory }: WorkerOptions): Job {
  const { table, backends, resource } = served
  const { namespace, name, uid: tableUid, epoch } = table.descriptor
  const { lake, log: logSpec } = resource.spec
  return {
    id: `lake/${tableUid}`,
    version: `${tableVersion(served)} ${JSON.stringify([lake, logSpec.retentionSeconds])}`,
    run: async signal => {
      const reporter = new ProgressReporter(backends.reports, error =>
        log.warn({ err: error, table: table.log.table }, 'a report could not be written'),
      )
      const work = { kind: 'lake', tableUid, worker, epoch } as const
      try {
        await archive({
          table,
          directory: join(dataDirectory, 'lake', namespace, name),
          commitWindowMillis: lake.commitWindowSeconds * 1000,
          historySeconds: lake.historySeconds,
          retentionSeconds: logSpec.retentionSeconds,
          signal,
          archivedBefore: Number(resource.status?.progress?.lake?.revision ?? 0),
          onProgress: progress => reporter.tell({ ...work, ...progress }),
          onFailure: (error, progress) => {
            log.error({ err: error, table: table.log.table }, 'the lake cannot be written, it is tried again')
            const problem = isBlastyError(error) ? error.message : 'an internal error; the log of the worker tells more'
            const lost = isBlastyError(error, 'LAKE_LOST')
            reporter.tell({ ...work, ...(progress ?? unopened), error: problem, ...(lost && { lost }) })
          },
        })
      } finally {
        await reporter.end()
      }
    },
  }
}
