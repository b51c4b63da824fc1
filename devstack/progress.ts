/** Telling a person what takes time. */

/** Receives one sentence at a time. */
export type Report = (line: string) => void

const repeatMilliseconds = 15_000

/** Writes to standard error. */
export const reportToStderr: Report = line => {
  process.stderr.write(`blasty: ${line}\n`)
}

/** Runs `work`, reporting what is done at its start, every quarter of a minute, and how long it took. */
export async function timed<T>(report: Report, what: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now()
  const elapsed = (): string => `${Math.round((performance.now() - began) / 1_000)} s`
  report(what)
  const timer = setInterval(() => report(`${what}: ${elapsed()} so far`), repeatMilliseconds)
  try {
    const result = await work()
    report(`${what}: done in ${elapsed()}`)
    return result
  } finally {
    clearInterval(timer)
  }
}
