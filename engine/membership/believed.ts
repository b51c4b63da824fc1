/** Which reports are believed: those of processes that were heard of lately. It knows no server; times come in, in milliseconds. */

import type { Report } from './reports.ts'

/** A report, and the session of the process that said it. */
export type Said = { readonly by: string; readonly report: Report }

export type BelievedOptions = {
  /** How long a session is believed after it was heard of. */
  readonly lifeMillis: number
  /** How long what is not said again is kept: as long as the server keeps it. */
  readonly keepMillis: number
  /** Told of each change of what is believed. */
  readonly tell: (report: Report, present: boolean) => void
}

export class Believed {
  readonly #options: BelievedOptions
  readonly #alive = new Map<string, number>()
  readonly #said = new Map<string, Said & { readonly until: number }>()
  readonly #believed = new Map<string, Report>()

  constructor(options: BelievedOptions) {
    this.#options = options
  }

  current(): readonly Report[] {
    return [...this.#believed.values()]
  }

  /** The session lives. What it said before is believed from now on, whichever came first. */
  heard(session: string, now: number): void {
    const known = this.#alive.has(session)
    this.#alive.set(session, now + this.#options.lifeMillis)
    if (!known) this.#judgeAllOf(session)
  }

  /** The session ended: nothing it said is believed any more. */
  left(session: string): void {
    if (this.#alive.delete(session)) this.#judgeAllOf(session)
  }

  said(key: string, said: Said, now: number): void {
    this.#said.set(key, { ...said, until: now + this.#options.keepMillis })
    this.#judge(key)
  }

  unsaid(key: string): void {
    this.#said.delete(key)
    this.#judge(key)
  }

  /** Gives up sessions that fell silent, and forgets what the server has forgotten. */
  expire(now: number): void {
    for (const [session, until] of [...this.#alive]) if (until < now) this.left(session)
    for (const [key, { until }] of [...this.#said]) if (until < now) this.unsaid(key)
  }

  #judgeAllOf(session: string): void {
    for (const [key, { by }] of [...this.#said]) if (by === session) this.#judge(key)
  }

  #judge(key: string): void {
    const said = this.#said.get(key)
    const before = this.#believed.get(key)
    if (said !== undefined && this.#alive.has(said.by)) {
      this.#believed.set(key, said.report)
      if (JSON.stringify(before) !== JSON.stringify(said.report)) this.#options.tell(said.report, true)
      return
    }
    if (!this.#believed.delete(key) || before === undefined) return
    this.#options.tell(before, false)
  }
}
