/** How an administrator's verb runs and ends. */

/** Exit code when a verb could not do, or look at, what it was asked for. */
export const failed = 2

/** A line for people, on standard error: what is printed on standard output is for programs. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** Runs a verb until it ends or is interrupted; its number is the exit code. An error is told with its causes. */
export async function verb(run: (signal: AbortSignal) => Promise<number>): Promise<void> {
  const stop = new AbortController()
  const interrupt = () => stop.abort(new Error('interrupted'))
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, interrupt)
  try {
    process.exitCode = await run(stop.signal)
  } catch (error) {
    say(messages(error).join(': '))
    process.exitCode = failed
  } finally {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, interrupt)
  }
}

function messages(error: unknown): string[] {
  if (!(error instanceof Error)) return [String(error)]
  return error.cause === undefined ? [error.message] : [error.message, ...messages(error.cause)]
}
