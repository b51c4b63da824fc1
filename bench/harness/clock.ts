/** A clock that reads alike in every process of this machine, and open-loop pacing by it. */

/** Milliseconds of the machine's monotonic clock: a time taken in one process may be compared with one of another. */
export function monotonicMillis(): number {
  return Number(process.hrtime.bigint()) / 1_000_000
}

export type Pace = {
  /** Starts a second. */
  readonly rate: number
  readonly count: number
  /** Most under way at once; what is due later waits, and its wait counts. */
  readonly maxInFlight: number
}

/**
 * Starts `work` at its due times, whether or not earlier ones have ended, and resolves when all have.
 * `work` is told its number and when it was due, by `monotonicMillis`: latency is measured from there.
 * Rejects with the first failure.
 */
export async function paced(pace: Pace, work: (index: number, due: number) => Promise<void>): Promise<void> {
  const { rate, count, maxInFlight } = pace
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const begin = monotonicMillis()
  const dueAt = (index: number) => begin + (index * 1000) / rate
  let started = 0
  let ended = 0
  let timer: NodeJS.Timeout | undefined
  const startDue = () => {
    clearTimeout(timer)
    while (started < count && started - ended < maxInFlight && dueAt(started) <= monotonicMillis()) {
      const index = started++
      work(index, dueAt(index)).then(() => {
        ended++
        if (ended === count) resolve()
        else if (started - ended === maxInFlight - 1) startDue()
      }, reject)
    }
    if (started < count && started - ended < maxInFlight)
      timer = setTimeout(startDue, Math.max(0, dueAt(started) - monotonicMillis()))
  }
  if (count === 0) resolve()
  startDue()
  try {
    await promise
  } finally {
    clearTimeout(timer)
  }
}

/** Keeps `concurrency` of `work` under way for `seconds`; resolves with how many ended in a second. */
export async function perSecond(seconds: number, concurrency: number, work: () => Promise<void>): Promise<number> {
  const begin = monotonicMillis()
  const end = begin + seconds * 1000
  let done = 0
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (monotonicMillis() < end) {
        await work()
        done++
      }
    }),
  )
  return (done * 1000) / (monotonicMillis() - begin)
}
