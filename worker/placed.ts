/** Which jobs are this worker's: placement, remembered from one sharing of the work to the next. */

import { placement } from '../engine/membership/placement.ts'
import type { Reports } from '../engine/membership/reports.ts'

type Live = { readonly key: string; readonly workers: readonly string[] }

/** Made for each sharing from the one before, so that it forgets jobs that are gone. */
export class Placed {
  readonly #id: string
  readonly #before: ReadonlyMap<string, boolean>
  readonly #now = new Map<string, boolean>()
  /** By backends: with many Tables, going through all reports for each of them is most of the work. */
  readonly #live = new Map<object, Live>()

  constructor(id: string, before?: Placed) {
    this.#id = id
    this.#before = before === undefined ? new Map() : before.#now
  }

  /** Whether the worker does `job` among those that `reports` knows to live. */
  mine(job: string, reports: Pick<Reports, 'current'>): boolean {
    const { key, workers } = this.#among(reports)
    const placed = `${job} ${key}`
    const mine = this.#before.get(placed) ?? placement(job, workers).worker === this.#id
    this.#now.set(placed, mine)
    return mine
  }

  #among(reports: Pick<Reports, 'current'>): Live {
    const known = this.#live.get(reports)
    if (known !== undefined) return known
    const workers = reports
      .current()
      .flatMap(report => (report.kind === 'member' && report.role === 'worker' ? [report.id] : []))
    const live = { key: workers.toSorted().join(' '), workers }
    this.#live.set(reports, live)
    return live
  }
}
