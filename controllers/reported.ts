/** What live facades and workers say of the resources, by resource, as the operator folds it into status. */

import type { ErasuresReport, ExpiryReport, LakeReport, Report, Reports } from '../engine/membership/reports.ts'

type WorkReport = Extract<Report, { kind: 'table' | 'lake' | 'expiry' | 'erasures' | 'index' | 'subscription' }>

/** The reports of one installation, indexed; kept up to date until closed. */
export class Reported {
  /** Live facades, with the largest Table that each takes in for SQL. */
  readonly #facades = new Map<string, number | undefined>()
  readonly #workers = new Set<string>()
  /** Schema by facade, by uid of the Table. */
  readonly #served = new Map<string, Map<string, number>>()
  readonly #work = new Map<string, Exclude<WorkReport, LakeReport | ExpiryReport | ErasuresReport>>()
  readonly #lakes = new Map<string, LakeReport>()
  readonly #expiries = new Map<string, ExpiryReport>()
  readonly #erasures = new Map<string, ErasuresReport>()
  readonly #stop: () => void

  /** `onReport` is told of each change after it is taken in. */
  constructor(reports: Pick<Reports, 'current' | 'onChange'>, onReport: (report: Report, present: boolean) => void) {
    for (const report of reports.current()) this.#take(report, true)
    this.#stop = reports.onChange((report, present) => {
      this.#take(report, present)
      onReport(report, present)
    })
  }

  get workers(): number {
    return this.#workers.size
  }

  /** Live facades, and those of them that do not serve schema `number` of the Table, or a newer one, yet. */
  served(tableUid: string, number: number): { readonly facades: number; readonly behind: readonly string[] } {
    const schemas = this.#served.get(tableUid)
    const behind = [...this.#facades.keys()].filter(facade => (schemas?.get(facade) ?? 0) < number)
    return { facades: this.#facades.size, behind: behind.sort() }
  }

  /** Bytes of the largest lake that every live facade takes in for SQL; undefined when none says. */
  get embeddedBytes(): number | undefined {
    const said = [...this.#facades.values()].filter(bytes => bytes !== undefined)
    return said.length === 0 ? undefined : Math.min(...said)
  }

  /** Last revision of the Table's log that a live process has seen; 0 when none says. */
  tableRevision(tableUid: string): number {
    const report = this.#work.get(tableUid)
    return report?.kind === 'table' ? report.revision : 0
  }

  /** What the archiver of a Table's lake says; undefined when there is none. */
  lake(tableUid: string): LakeReport | undefined {
    return this.#lakes.get(tableUid)
  }

  /** What who removes the Table's rows that are too old says; undefined when nobody does. */
  expiry(tableUid: string): ExpiryReport | undefined {
    return this.#expiries.get(tableUid)
  }

  /** What is said of a Table's erasures; undefined when nobody says anything. */
  erasures(tableUid: string): ErasuresReport | undefined {
    return this.#erasures.get(tableUid)
  }

  /** Whether a live process has seen the Table's log without room. */
  tableFull(tableUid: string): boolean {
    const report = this.#work.get(tableUid)
    return report?.kind === 'table' && report.full
  }

  index(uid: string): Extract<Report, { kind: 'index' }> | undefined {
    const report = this.#work.get(uid)
    return report?.kind === 'index' ? report : undefined
  }

  subscription(uid: string): Extract<Report, { kind: 'subscription' }> | undefined {
    const report = this.#work.get(uid)
    return report?.kind === 'subscription' ? report : undefined
  }

  close(): void {
    this.#stop()
  }

  #take(report: Report, present: boolean): void {
    switch (report.kind) {
      case 'member': {
        if (report.role === 'facade') {
          if (present) this.#facades.set(report.id, report.embeddedBytes)
          else this.#facades.delete(report.id)
        } else if (present) this.#workers.add(report.id)
        else this.#workers.delete(report.id)
        return
      }
      case 'served': {
        const schemas = this.#served.get(report.tableUid) ?? new Map<string, number>()
        if (present) schemas.set(report.facade, report.schema)
        else schemas.delete(report.facade)
        if (schemas.size === 0) this.#served.delete(report.tableUid)
        else this.#served.set(report.tableUid, schemas)
        return
      }
      case 'lake':
        if (present) this.#lakes.set(report.tableUid, report)
        else this.#lakes.delete(report.tableUid)
        return
      case 'expiry':
        if (present) this.#expiries.set(report.tableUid, report)
        else this.#expiries.delete(report.tableUid)
        return
      case 'erasures':
        if (present) this.#erasures.set(report.tableUid, report)
        else this.#erasures.delete(report.tableUid)
        return
      default: {
        const uid = uidOf(report)
        if (present) this.#work.set(uid, report)
        else this.#work.delete(uid)
      }
    }
  }
}

/** The uid of the resource that a report of work is about. */
export function uidOf(report: WorkReport): string {
  switch (report.kind) {
    case 'table':
    case 'lake':
    case 'expiry':
    case 'erasures':
      return report.tableUid
    case 'index':
      return report.indexUid
    case 'subscription':
      return report.subscriptionUid
  }
}
