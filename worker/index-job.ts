/** Keeping one Index true. */
import type { Index } from '../crds/types.gen.ts'
import type { ServedTable } from '../directory/directory.ts'
import type { Job } from './jobs.ts'
import type { WorkerOptions } from './worker.ts'

export function indexJob(_index: Index, _served: ServedTable, _options: WorkerOptions): Job | undefined {
  return undefined
}
