/**
 * Asking a Table's archiver to commit now instead of when its window is over, for a writer that waits for its rows to be archived.
 * The asking may be lost: who waits asks again.
 */

import type { ChangeLog } from '../log/log.ts'

const subjectOf = ({ stream }: ChangeLog): string => `_blasty.archive.${stream}`

/** Asks that the lake hold `revision` soon. */
export function demandArchive({ log }: { readonly log: ChangeLog }, revision: number): void {
  log.streams.connection.publish(subjectOf(log), String(revision))
}

/** What is asked of a Table's archiver. */
export type Demand = {
  /** The highest revision that was asked for. */
  readonly revision: number
  /** Called when a higher one is asked for. */
  wake: (() => void) | undefined
  readonly close: () => void
}

export function demandOf({ log }: { readonly log: ChangeLog }): Demand {
  let revision = 0
  const subscription = log.streams.connection.subscribe(subjectOf(log), {
    callback: (error, message) => {
      const asked = error === null ? Number(message.string()) : Number.NaN
      if (!(asked > revision)) return
      revision = asked
      demand.wake?.()
    },
  })
  const demand: Demand = {
    get revision() {
      return revision
    },
    wake: undefined,
    close: () => subscription.unsubscribe(),
  }
  return demand
}

/** What comes first: the value, if one is waited for; a reason to look again; or the end of so many milliseconds. */
export async function first<T>(
  next: Promise<T> | undefined,
  demand: Demand,
  millis: number,
): Promise<T | 'woken' | 'due'> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise((resolve, reject) => {
      next?.then(resolve, reject)
      demand.wake = () => resolve('woken')
      if (millis !== Number.POSITIVE_INFINITY) timer = setTimeout(resolve, Math.max(0, millis), 'due')
    })
  } finally {
    clearTimeout(timer)
    demand.wake = undefined
  }
}
