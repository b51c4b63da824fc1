/**
 * Asking a Table's archiver to commit now instead of when its window is over, for a writer that waits for its rows to be archived.
 * The asking may be lost: who waits asks again.
 */

import { type Demand, demand, demandOn } from '../../backends/streams/demand.ts'
import type { ChangeLog } from '../log/log.ts'

const subjectOf = ({ stream }: ChangeLog): string => `_blasty.archive.${stream}`

/** Asks that the lake hold `revision` soon. */
export function demandArchive({ log }: { readonly log: ChangeLog }, revision: number): void {
  demand(log.streams.connection, subjectOf(log), revision)
}

export function demandOf({ log }: { readonly log: ChangeLog }): Demand {
  return demandOn(log.streams.connection, subjectOf(log))
}
