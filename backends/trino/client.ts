/** Trino as the product uses it: runs one text, hands its rows on page by page, cancels what nobody reads any more. */

import { failedQuery, neverRan, refused, TrinoFailure } from './errors.ts'
import {
  defaultPatienceMillis,
  pause,
  type ServerAnswer,
  type StatementRequests,
  statementRequests,
} from './protocol.ts'
import { readType, type TrinoType } from './types.ts'
import { readValue, type TrinoValue } from './values.ts'

export type TrinoOptions = {
  /** Such as `http://trino.sql:8080`. */
  readonly server: string
  readonly user: string
  /** Asked for by servers with password authentication; needs https. */
  readonly password?: string
  /** Catalogue and schema of names that do not say theirs. */
  readonly catalog?: string
  readonly schema?: string
  /** Tried so long when the server is not reached or too busy, in milliseconds (default 30 seconds). */
  readonly patienceMillis?: number
}

export type TrinoColumn = { readonly name: string; readonly type: TrinoType }

export type TrinoRow = readonly TrinoValue[]

export type TrinoResult = {
  /** By which Trino's own console knows the query. */
  readonly queryId: string
  /** Empty for a statement without rows. */
  readonly columns: readonly TrinoColumn[]
  /**
   * The rows, once, as the server makes them; the next page is asked for when the last one was taken, so that a slow reader
   * holds one page. Leaving the loop early cancels the query. Trino gives up a query that nobody asks for five minutes.
   */
  readonly pages: AsyncIterable<readonly TrinoRow[]>
}

export type QueryOptions = {
  /** Cancels the query; what waits for it throws the signal's reason. */
  readonly signal?: AbortSignal
  /** Session properties for this query, such as `query_max_run_time: '30s'`. */
  readonly session?: Readonly<Record<string, string>>
}

export type Trino = {
  /**
   * Runs a statement and resolves when its first rows are there, or it has ended without. While the server has no workers, nothing
   * of a query has run, and it is tried again.
   * @throws QUERY_FAILED for what is wrong with the text or its data, QUERY_LIMIT for what is too large for the server,
   * BACKEND_REFUSED, BACKEND_UNAVAILABLE, or the signal's reason; `pages` throws the same
   */
  readonly query: (sql: string, options?: QueryOptions) => Promise<TrinoResult>
  /** All rows of a small result. */
  readonly rows: (sql: string, options?: QueryOptions) => Promise<TrinoRow[]>
}

/** Between two tries of a query for which there are no workers. */
const startPauseMillis = 500

/** A client of the server; it holds no connection of its own and needs no closing. */
export function trino(options: TrinoOptions): Trino {
  const requests = statementRequests(options)
  const patience = options.patienceMillis ?? defaultPatienceMillis
  const query = async (sql: string, { signal, session = {} }: QueryOptions = {}): Promise<TrinoResult> => {
    const deadline = Date.now() + patience
    for (;;) {
      const cursor = new Cursor(requests, await requests.start(sql, session, signal), signal)
      try {
        return { queryId: cursor.queryId, columns: await cursor.columns(), pages: cursor.pages() }
      } catch (error) {
        if (!neverRan(error) || Date.now() >= deadline) throw error
      }
      await pause(startPauseMillis, signal)
    }
  }
  return {
    query,
    rows: async (sql, settings) => {
      const rows: TrinoRow[] = []
      const { pages } = await query(sql, settings)
      for await (const page of pages) rows.push(...page)
      return rows
    },
  }
}

/** Where a query stands: the last answer of the server, and with it the address of the next. */
class Cursor {
  readonly #requests: StatementRequests
  readonly #signal: AbortSignal | undefined
  #last: ServerAnswer
  #columns: readonly TrinoColumn[] | undefined

  constructor(requests: StatementRequests, first: ServerAnswer, signal: AbortSignal | undefined) {
    this.#requests = requests
    this.#last = first
    this.#signal = signal
  }

  get queryId(): string {
    return this.#last.id
  }

  /** Waits until there are rows or the query has ended without any. */
  async columns(): Promise<readonly TrinoColumn[]> {
    await this.#cancelledUnlessDone(async () => {
      this.#read()
      while (this.#last.data === undefined && this.#last.nextUri !== undefined) {
        await this.#advance()
        this.#read()
      }
    })
    return this.#read()
  }

  async *pages(): AsyncGenerator<readonly TrinoRow[]> {
    let ended = false
    try {
      for (;;) {
        const page = this.#page()
        if (page.length > 0) yield page
        if (this.#last.nextUri === undefined) break
        await this.#advance()
      }
      ended = true
    } finally {
      if (!ended) await this.#cancel()
    }
  }

  async #cancelledUnlessDone(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      await this.#cancel()
      throw error
    }
  }

  async #advance(): Promise<void> {
    if (this.#last.nextUri === undefined) return
    this.#last = await this.#requests.next(this.#last.nextUri, this.#signal)
  }

  /** Columns of the last answer; a failure in it is thrown. */
  #read(): readonly TrinoColumn[] {
    const { id, error, columns } = this.#last
    if (error !== undefined) {
      throw failedQuery(new TrinoFailure(id, error.errorName, error.errorType, error.message))
    }
    this.#columns ??= columns?.map(({ name, typeSignature }) => ({
      name,
      type: legible(() => readType(typeSignature)),
    }))
    return this.#columns ?? []
  }

  #page(): readonly TrinoRow[] {
    const columns = this.#read()
    const rows = this.#last.data ?? []
    return legible(() => rows.map(row => columns.map(({ type }, index) => readValue(type, row[index] ?? null))))
  }

  /** Best effort: a server that is away forgets the query by itself. The reason of the end is already on its way up. */
  async #cancel(): Promise<void> {
    const { nextUri } = this.#last
    if (nextUri === undefined) return
    await this.#requests.cancel(nextUri).catch((error: unknown) => {
      if (!(error instanceof Error)) throw error
    })
  }
}

/** Turns the TypeErrors of reading types and values into a refusal that names the server. */
function legible<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof TypeError) throw refused(`an answer that cannot be read: ${error.message}`, error)
    throw error
  }
}
