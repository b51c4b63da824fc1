/**
 * The requests of Trino's client protocol (https://trino.io/docs/current/develop/client-protocol.html), tried again where it says
 * so. Spoken directly, because trino-client (npm) parses a bigint as a double, cannot be aborted, and tries nothing again.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { noAnswer, refused } from './errors.ts'
import { isObject } from './types.ts'
import { parseExact } from './values.ts'

/** What this project reads of an answer. */
export type ServerAnswer = {
  readonly id: string
  /** Where the next answer is; absent on the last one. */
  readonly nextUri: string | undefined
  readonly columns: readonly { readonly name: string; readonly typeSignature: unknown }[] | undefined
  readonly data: readonly (readonly unknown[])[] | undefined
  readonly error: { readonly errorName: string; readonly errorType: string; readonly message: string } | undefined
}

export type StatementRequests = {
  readonly start: (
    sql: string,
    session: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ) => Promise<ServerAnswer>
  readonly next: (uri: string, signal: AbortSignal | undefined) => Promise<ServerAnswer>
  readonly cancel: (uri: string) => Promise<void>
}

type Access = {
  readonly server: string
  readonly user: string
  readonly password?: string
  readonly catalog?: string
  readonly schema?: string
  readonly patienceMillis?: number
}

/** Intermittent, says the protocol: ask again after a moment. */
const busyStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504])
const pauseMillis = 100
/** How long a server that is away or busy is asked again. */
export const defaultPatienceMillis = 30_000
/** The server answers within a second or so even when it has nothing to say. */
const answerMillis = 60_000

/** The protocol's requests to one server. They throw BACKEND_UNAVAILABLE, BACKEND_REFUSED or the signal's reason. */
export function statementRequests(access: Access): StatementRequests {
  const { server, catalog, schema, password, user } = access
  if (password !== undefined && new URL(server).protocol !== 'https:')
    throw refused('a password is sent over https only')
  const patience = access.patienceMillis ?? defaultPatienceMillis
  const headers: Readonly<Record<string, string>> = {
    'X-Trino-User': user,
    'X-Trino-Source': 'blasty',
    'X-Trino-Time-Zone': 'UTC',
    // Without it, times come cut to milliseconds.
    'X-Trino-Client-Capabilities': 'PARAMETRIC_DATETIME',
    ...(catalog !== undefined && { 'X-Trino-Catalog': catalog }),
    ...(schema !== undefined && { 'X-Trino-Schema': schema }),
    ...(password !== undefined && { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }),
  }

  const ask = async (method: string, url: URL, more: Attempt): Promise<string> => {
    const deadline = Date.now() + patience
    for (;;) {
      const outcome = await attempt(method, url, { ...more, headers: { ...headers, ...more.headers } })
      if ('text' in outcome) return outcome.text
      if (!outcome.again || Date.now() >= deadline) throw outcome.error
      await pause(outcome.afterMillis ?? pauseMillis, more.signal)
    }
  }
  return {
    start: async (sql, session, signal) => {
      const set = Object.entries(session).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
      return readAnswer(
        await ask('POST', new URL('/v1/statement', server), {
          body: sql,
          headers: set.length === 0 ? {} : { 'X-Trino-Session': set.join(',') },
          signal,
          // Once it may have reached the server, a statement is not sent twice.
          repeatable: false,
        }),
      )
    },
    next: async (uri, signal) => readAnswer(await ask('GET', here(uri, server), { signal, repeatable: true })),
    cancel: async uri => {
      await ask('DELETE', here(uri, server), { signal: AbortSignal.timeout(5_000), repeatable: true })
    },
  }
}

/** Waits. Throws the signal's reason when that is aborted. */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(milliseconds, undefined, signal && { signal }).catch(() => signal?.throwIfAborted())
}

/** The server's address as we know it: what it calls itself may not be reachable, and credentials go nowhere else. */
function here(uri: string, server: string): URL {
  const { pathname, search } = new URL(uri)
  return new URL(pathname + search, server)
}

type Attempt = {
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal: AbortSignal | undefined
  readonly repeatable: boolean
}

type Outcome =
  | { readonly text: string }
  | { readonly error: unknown; readonly again: boolean; readonly afterMillis?: number | undefined }

/** One request. Throws only the signal's reason. */
async function attempt(
  method: string,
  url: URL,
  { body, headers = {}, signal, repeatable }: Attempt,
): Promise<Outcome> {
  const timeout = AbortSignal.timeout(answerMillis)
  try {
    const response = await fetch(url, {
      method,
      headers,
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      ...(body !== undefined && { body }),
    })
    const text = await response.text()
    if (response.ok) return { text }
    const problem = `${response.status} ${text.slice(0, 300) || response.statusText}`
    if (!busyStatuses.has(response.status)) return { error: refused(problem), again: false }
    const after = Number(response.headers.get('retry-after') ?? Number.NaN)
    return { error: noAnswer(problem), again: true, afterMillis: after > 0 ? after * 1_000 : undefined }
  } catch (error) {
    signal?.throwIfAborted()
    return { error: noAnswer(reasonOf(error), error), again: repeatable || neverSent(error) }
  }
}

/** The innermost message, which says why: `connect ECONNREFUSED`, not `fetch failed`. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message || error.name
}

/** True when there was no connection on which a request could have gone out. */
function neverSent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause && (cause.code === 'ECONNREFUSED' || cause.code === 'ENOTFOUND')
}

/** Reads an answer as far as it is used. Throws BACKEND_REFUSED for what is none. */
function readAnswer(text: string): ServerAnswer {
  const { id, nextUri, columns, data, error } = parsed(text)
  const fail = (what: string): never => {
    throw refused(`an answer without ${what}: ${text.slice(0, 200)}`)
  }
  if (typeof id !== 'string') return fail('an id')
  return {
    id,
    nextUri: typeof nextUri === 'string' ? nextUri : undefined,
    columns: Array.isArray(columns)
      ? columns.map((column: unknown) =>
          isObject(column) && typeof column.name === 'string'
            ? { name: column.name, typeSignature: column.typeSignature }
            : fail('names of its columns'),
        )
      : undefined,
    data: Array.isArray(data)
      ? data.map((row: unknown) => (Array.isArray(row) ? row : fail('rows that are arrays')))
      : undefined,
    error: isObject(error)
      ? {
          errorName: String(error.errorName ?? 'UNKNOWN'),
          errorType: String(error.errorType ?? 'UNKNOWN'),
          message: String(error.message ?? 'no message'),
        }
      : undefined,
  }
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value = parseExact(text)
    if (isObject(value)) return value
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw refused(`an answer that is no JSON: ${text.slice(0, 200)}`, error)
  }
  throw refused(`an answer that is no object: ${text.slice(0, 200)}`)
}
