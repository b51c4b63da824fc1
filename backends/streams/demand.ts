/**
 * Asking whoever works on a stream to come to a revision now instead of when it would anyway. The asking may be lost: then it takes as
 * long as it would, and who needs it asks again.
 */

import type { NatsConnection } from '@nats-io/nats-core'

/** What is asked of a worker. */
export type Demand = {
  /** The highest revision that was asked for. */
  readonly revision: number
  /** Called when it is asked for, or a higher one. */
  wake: (() => void) | undefined
  readonly close: () => void
}

/** Asks, on a subject that is no stream's, that `revision` be reached soon. */
export function demand(connection: NatsConnection, subject: string, revision: number): void {
  connection.publish(subject, String(revision))
}

/** Hears what is asked on a subject. */
export function demandOn(connection: NatsConnection, subject: string): Demand {
  let revision = 0
  const subscription = connection.subscribe(subject, {
    callback: (error, message) => {
      const asked = error === null ? Number(message.string()) : Number.NaN
      // Asked again, it is perhaps because nobody listened the first time.
      if (!(asked >= revision)) return
      revision = asked
      heard.wake?.()
    },
  })
  const heard: Demand = {
    get revision() {
      return revision
    },
    wake: undefined,
    close: () => subscription.unsubscribe(),
  }
  return heard
}

/** What comes first: the value, if one is waited for; a demand, or whatever else wakes; or the end of so many milliseconds. */
export async function orDemand<T>(
  next: Promise<T> | undefined,
  demand: Demand,
  millis = Number.POSITIVE_INFINITY,
): Promise<T | 'demand' | 'due'> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise((resolve, reject) => {
      next?.then(resolve, reject)
      demand.wake = () => resolve('demand')
      if (millis !== Number.POSITIVE_INFINITY) timer = setTimeout(resolve, Math.max(0, millis), 'due')
    })
  } finally {
    clearTimeout(timer)
    demand.wake = undefined
  }
}
