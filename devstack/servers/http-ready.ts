/** Readiness of a server that answers HTTP. */

const requestTimeoutMilliseconds = 1_000

/** Rejects unless a GET of `url` answers 2xx. */
export async function answersOk(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(requestTimeoutMilliseconds) })
  const body = await response.text()
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${body.slice(0, 200)}`)
}
