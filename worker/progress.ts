/** Reports of progress, thinned out: the newest is told soon, at most once in a while, and never out of order. */

import type { Report, Reports } from '../engine/membership/reports.ts'

const minIntervalMillis = 20

export class ProgressReporter {
  readonly #reports: Reports
  readonly #onError: (error: unknown) => void
  #next: Report | undefined
  #last = ''
  #telling = false
  #ended = false

  constructor(reports: Reports, onError: (error: unknown) => void) {
    this.#reports = reports
    this.#onError = onError
  }

  tell(report: Report): void {
    this.#next = report
    if (!this.#telling && !this.#ended) void this.#pump()
  }

  /** Withdraws what was told, when this process no longer does the work. */
  async end(): Promise<void> {
    this.#ended = true
    const told = this.#last === '' ? undefined : (JSON.parse(this.#last) as Report)
    if (told !== undefined) await this.#reports.withdraw(told).catch(this.#onError)
  }

  async #pump(): Promise<void> {
    this.#telling = true
    while (this.#next !== undefined && !this.#ended) {
      const report = this.#next
      this.#next = undefined
      const text = JSON.stringify(report)
      if (text === this.#last) continue
      this.#last = text
      await this.#reports.publish(report).catch(this.#onError)
      await new Promise(resolve => setTimeout(resolve, minIntervalMillis))
    }
    this.#telling = false
  }
}
