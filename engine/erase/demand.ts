/** Telling a Table's worker that there is something to erase, so that it need not be found out. The telling may be lost. */

import { type Demand, demand, demandOn } from '../../backends/streams/demand.ts'
import type { ChangeLog } from '../log/log.ts'

type OfLog = { readonly log: ChangeLog }

const subjectOf = ({ stream }: ChangeLog): string => `_blasty.erase.${stream}`

/** Tells of an erasure that is in the log at `revision`. */
export function demandErasing({ log }: OfLog, revision: number): void {
  demand(log.streams.connection, subjectOf(log), revision)
}

export const erasingDemand = ({ log }: OfLog): Demand => demandOn(log.streams.connection, subjectOf(log))
