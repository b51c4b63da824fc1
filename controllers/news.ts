/** Which resources a report of a live process concerns, and when they are looked at for it. */

import { indexes, indexesByUid, subscriptions, subscriptionsByUid, tables, tablesByUid } from '../directory/kinds.ts'
import type { Report } from '../engine/membership/reports.ts'
import { type Clock, keyOf, type Operator } from '../operator/mod.ts'
import { foldMillis } from './progress.ts'
import { uidOf } from './reported.ts'

type Target = Pick<Operator, 'read' | 'enqueue'>

/** Looks at once where a condition may change, else within the time in which figures may be old. */
export class News {
  readonly #operator: Target
  readonly #clock: Pick<Clock, 'after'>
  readonly #stale = new Map<string, () => void>()
  /** What a report of work said last of whether things go well, by kind and uid. */
  readonly #health = new Map<string, string>()

  constructor(operator: Target, clock: Pick<Clock, 'after'>) {
    this.#operator = operator
    this.#clock = clock
  }

  take(report: Report, present: boolean): void {
    switch (report.kind) {
      case 'member':
        if (report.role === 'facade') this.#all(tables)
        else {
          this.#all(indexes)
          this.#all(subscriptions)
        }
        return
      case 'served':
        this.#look('served', report.tableUid)
        return
      default: {
        const uid = uidOf(report)
        const work = `${report.kind} ${uid}`
        const health = this.#healthOf(report, present)
        if (present && report.kind === 'table' && this.#isShown(report)) {
          this.#health.set(work, health)
          return
        }
        if (this.#health.get(work) === health) {
          this.#lookLater(report.kind, uid)
          return
        }
        if (present) this.#health.set(work, health)
        else this.#health.delete(work)
        this.#look(report.kind, uid)
      }
    }
  }

  /** What was said lately was perhaps told by nobody: whatever lives by reports is looked at, and the next one counts as its first. */
  renew(): void {
    this.#health.clear()
    for (const kind of [tables, indexes, subscriptions]) this.#all(kind)
  }

  /** Forgets what is to be looked at later. */
  close(): void {
    for (const cancel of this.#stale.values()) cancel()
    this.#stale.clear()
  }

  /** Changes when a condition may. */
  #healthOf(report: Exclude<Report, { kind: 'member' | 'served' }>, present: boolean): string {
    if (!present) return 'gone'
    if (report.kind === 'lake') return `${report.version >= 0 ? 'open' : 'closed'} ${report.error ?? ''}`
    if (report.kind === 'expiry') return `expiring ${report.error ?? ''}`
    if (report.kind === 'erasures') {
      const shown = report.erasures.map(({ id, completedTime = '' }) => `${id} ${completedTime}`)
      return `${shown.join()} ${report.error ?? ''}`
    }
    if (report.kind !== 'table') {
      const index = this.#operator.read(indexes).by(indexesByUid, uidOf(report))[0]
      // An Index that is not filled yet may be with any progress.
      const filled = index?.status?.conditions?.some(({ type, status }) => type === 'Filled' && status === 'True')
      if (report.kind === 'index' && filled !== true) return `at ${report.revision}`
      // The first event makes the stream one that must not be lost.
      const begun = report.kind === 'subscription' && report.delivered > 0
      return `${begun ? 'begun' : 'new'} ${report.error ?? ''}`
    }
    const table = this.#operator.read(tables).by(tablesByUid, report.tableUid)[0]
    const written = report.revision > (table?.status?.schema?.number ?? 0)
    return `${written ? 'written' : 'never written'} ${report.full ? 'full' : ''}`
  }

  /** True when the status says as much already, as that of a Table nobody wrote to does. */
  #isShown({ tableUid, revision, full }: Extract<Report, { kind: 'table' }>): boolean {
    const table = this.#operator.read(tables).by(tablesByUid, tableUid)[0]
    const roomy = table?.status?.conditions?.find(({ type }) => type === 'LogHasRoom')?.status !== 'False'
    return table?.status?.progress?.revision === String(revision) && roomy !== full
  }

  #look(kind: 'served' | 'table' | 'lake' | 'expiry' | 'erasures' | 'index' | 'subscription', uid: string): void {
    this.#stale.get(uid)?.()
    this.#stale.delete(uid)
    const { read, enqueue } = this.#operator
    if (kind === 'index') for (const it of read(indexes).by(indexesByUid, uid)) enqueue(indexes, keyOf(it))
    else if (kind === 'subscription')
      for (const it of read(subscriptions).by(subscriptionsByUid, uid)) enqueue(subscriptions, keyOf(it))
    else for (const it of read(tables).by(tablesByUid, uid)) enqueue(tables, keyOf(it))
  }

  #lookLater(kind: 'table' | 'lake' | 'expiry' | 'erasures' | 'index' | 'subscription', uid: string): void {
    if (this.#stale.has(uid)) return
    this.#stale.set(
      uid,
      this.#clock.after(foldMillis, () => this.#look(kind, uid)),
    )
  }

  #all(kind: typeof tables | typeof indexes | typeof subscriptions): void {
    const { read, enqueue } = this.#operator
    const held =
      kind === tables ? read(tables).list() : kind === indexes ? read(indexes).list() : read(subscriptions).list()
    for (const object of held) enqueue(kind, keyOf(object))
  }
}
