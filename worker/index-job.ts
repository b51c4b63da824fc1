/** Keeping one Index true. */

import { connectSearch } from '../backends/search/search.ts'
import type { Index } from '../crds/types.gen.ts'
import type { ServedTable } from '../directory/directory.ts'
import { indexTable } from '../engine/indexing/indexer.ts'
import { reportLifeMillis } from '../engine/membership/reports.ts'
import { keyFor } from '../operator/mod.ts'
import type { Job } from './jobs.ts'
import { ProgressReporter } from './progress.ts'
import { tableVersion, type WorkerOptions } from './worker.ts'

/** The job of an Index that is provisioned; undefined for one that is not, or is being deleted. */
export function indexJob(index: Index, served: ServedTable, { id: worker, log }: WorkerOptions): Job | undefined {
  const { metadata, spec, status } = index
  const name = status?.external?.index
  if (name === undefined || metadata.deletionTimestamp !== undefined || !served.table.keyed) return undefined
  if (status?.tableUID !== served.table.descriptor.uid) return undefined
  const key = keyFor(metadata.name, metadata.namespace)
  return {
    id: `index/${metadata.uid}`,
    version: `${tableVersion(served)} ${name} ${JSON.stringify(spec)}`,
    run: async signal => {
      const { table, backends } = served
      const reporter = new ProgressReporter(backends.reports, error =>
        log.warn({ err: error, index: key }, 'a report could not be written'),
      )
      try {
        await indexTable({
          log: table.log,
          schemas: table.schemas,
          replica: waiting => table.reached(0, 'rows', waiting),
          search: connectSearch({ hosts: [backends.search.host], key: backends.search.key }),
          index: name,
          spec,
          leaseMillis: reportLifeMillis,
          signal,
          onProgress: ({ epoch, revision, documents, filled }, problem) =>
            reporter.tell({
              kind: 'index',
              indexUid: metadata.uid,
              worker,
              epoch,
              // An index that is still being filled holds nothing that a reader may count on.
              revision: filled ? revision : 0,
              documents,
              ...(problem === undefined ? {} : { error: problem }),
            }),
        })
      } finally {
        await reporter.end()
      }
    },
  }
}
