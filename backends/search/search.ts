/** The search server as the product uses it: indexes, documents in ordered tasks, and searches. */

import { Meilisearch, type SearchParams, type Settings } from 'meilisearch'
import { searchError, unless } from './errors.ts'
import { waitForTask } from './tasks.ts'

export type { SearchParams, Settings } from 'meilisearch'

/** How long a request may take, in milliseconds. One that was not answered by then will not be carried out later. */
export const requestTimeoutMillis = 10_000

export type SearchOptions = {
  /** URLs of the servers; the first one is used. */
  readonly hosts: readonly string[]
  readonly key: string
  /** Instead of `requestTimeoutMillis`. */
  readonly timeoutMillis?: number
}

/** Number of a task. The tasks of a server are carried out in the order of their numbers. */
export type TaskNumber = number

export type IndexInfo = {
  readonly primaryKey: string | undefined
  /** The server's text; another one is another index, even under the same name. */
  readonly createdAt: string
}

export type SearchDocument = { readonly [attribute: string]: unknown }

export type SearchHit = SearchDocument & {
  /** The attributes asked for, with what matched marked. */
  readonly _formatted?: SearchDocument
  /** Metres, when the search sorts by distance. */
  readonly _geoDistance?: number
}

export type SearchResult = {
  readonly hits: readonly SearchHit[]
  readonly estimatedTotalHits?: number
  readonly facetDistribution?: { readonly [attribute: string]: { readonly [value: string]: number } }
  readonly facetStats?: { readonly [attribute: string]: { readonly min: number; readonly max: number } }
}

export type FacetCount = { readonly value: string; readonly count: number }

/**
 * One search server. Every call ends within the request timeout or when its signal is aborted.
 * @throws BACKEND_UNAVAILABLE when it does not answer, INDEX_NOT_FOUND, BACKEND_REFUSED otherwise (`searchCode` tells the reason)
 */
export type Search = {
  /** The server's version, such as `1.50.0`. Asks with the key, so a wrong key shows. */
  readonly version: () => Promise<string>
  /** Answers when the server is up; does not look at the key. */
  readonly health: () => Promise<void>

  readonly getIndex: (index: string) => Promise<IndexInfo | undefined>
  /** Makes an index; false when there is one of that name already, which is left as it is. */
  readonly createIndex: (index: string, primaryKey: string) => Promise<boolean>
  /** False when there was none. */
  readonly deleteIndex: (index: string) => Promise<boolean>
  /** Exchanges the names of two indexes at once. */
  readonly swapIndexes: (first: string, second: string) => Promise<void>
  readonly settings: (index: string) => Promise<Settings>
  /** Changes the settings named and waits until every document is indexed under them, which may take long. */
  readonly updateSettings: (index: string, settings: Settings, signal?: AbortSignal) => Promise<void>
  readonly documentCount: (index: string) => Promise<number>

  /** A page of documents, each with the attributes asked for, in an order that holds while nobody writes. */
  readonly documents: (
    index: string,
    page: { readonly fields: readonly string[]; readonly offset: number; readonly limit: number },
  ) => Promise<readonly SearchDocument[]>
  readonly getDocument: (index: string, id: string) => Promise<SearchDocument | undefined>
  /**
   * Adds or replaces documents, given as NDJSON. The task is all or none. A server makes an index that is missing, then
   * with `primaryKey`.
   */
  readonly addDocuments: (index: string, ndjson: string, primaryKey: string) => Promise<TaskNumber>
  readonly deleteDocuments: (index: string, ids: readonly string[]) => Promise<TaskNumber>
  readonly deleteAllDocuments: (index: string) => Promise<TaskNumber>
  /** Waits until a task has been carried out; what it did is then found. Throws BACKEND_REFUSED when it failed. */
  readonly taskDone: (index: string, task: TaskNumber, signal?: AbortSignal) => Promise<void>
  /** Number of tasks of an index that were not carried out yet. */
  readonly tasksWaiting: (index: string) => Promise<number>

  readonly search: (index: string, query: SearchParams, signal?: AbortSignal) => Promise<SearchResult>
  /** Several searches in one request; the results are in order. */
  readonly multiSearch: (
    queries: readonly (SearchParams & { readonly indexUid: string })[],
    signal?: AbortSignal,
  ) => Promise<readonly SearchResult[]>
  /** Values of a facet that begin like `facetQuery`, most frequent first. */
  readonly facetSearch: (
    index: string,
    query: SearchParams & { readonly facetName: string },
    signal?: AbortSignal,
  ) => Promise<readonly FacetCount[]>
}

/** A search server by its address. Nothing is sent until the first call. */
export function connectSearch(options: SearchOptions): Search {
  const [host = ''] = options.hosts
  const timeout = options.timeoutMillis ?? requestTimeoutMillis
  const client = new Meilisearch({ host, apiKey: options.key, timeout })

  const asking = async <T>(index: string, ask: () => Promise<T>): Promise<T> => {
    try {
      return await ask()
    } catch (error) {
      throw searchError(error, index)
    }
  }
  /** The client's own timeout does not reach a request that has a signal, so both are joined here. */
  const searching = async <T>(
    index: string,
    signal: AbortSignal | undefined,
    ask: (init: { signal: AbortSignal }) => Promise<T>,
  ): Promise<T> => {
    const limit = AbortSignal.timeout(timeout)
    try {
      return await ask({ signal: signal === undefined ? limit : AbortSignal.any([signal, limit]) })
    } catch (error) {
      throw searchError(error, index, signal)
    }
  }
  const enqueued = (index: string, ask: () => Promise<{ taskUid: number }>): Promise<TaskNumber> =>
    asking(index, async () => (await ask()).taskUid)
  const taskDone = (index: string, task: TaskNumber, signal?: AbortSignal): Promise<void> =>
    waitForTask(() => searching(index, signal, init => client.tasks.getTask(task, init)), index, signal)

  return {
    version: () => asking('', async () => (await client.getVersion()).pkgVersion),
    health: () =>
      asking('', async () => {
        await client.health()
      }),

    getIndex: index =>
      asking(index, async () => {
        // The client would turn the time into a Date, which is coarser than the server's text.
        const { primaryKey, createdAt } = await client.getRawIndex(index)
        return { primaryKey: primaryKey ?? undefined, createdAt: String(createdAt) }
      }).catch(unless('INDEX_NOT_FOUND', undefined)),
    createIndex: async (index, primaryKey) => {
      const task = await enqueued(index, () => client.createIndex(index, { primaryKey }))
      return taskDone(index, task).then(() => true, unless('index_already_exists', false))
    },
    deleteIndex: async index => {
      const task = await enqueued(index, () => client.deleteIndex(index)).catch(unless('INDEX_NOT_FOUND', undefined))
      if (task === undefined) return false
      return taskDone(index, task).then(() => true, unless('INDEX_NOT_FOUND', false))
    },
    swapIndexes: async (first, second) =>
      taskDone(first, await enqueued(first, () => client.swapIndexes([{ indexes: [first, second], rename: false }]))),
    settings: index => asking(index, () => client.index(index).getSettings()),
    updateSettings: async (index, settings, signal) =>
      taskDone(index, await enqueued(index, () => client.index(index).updateSettings(settings)), signal),
    documentCount: index => asking(index, async () => (await client.index(index).getStats()).numberOfDocuments),

    documents: (index, { fields, offset, limit }) =>
      asking<readonly SearchDocument[]>(
        index,
        async () => (await client.index(index).getDocuments({ fields: [...fields], offset, limit })).results,
      ),
    getDocument: (index, id) =>
      asking<SearchDocument | undefined>(index, () => client.index(index).getDocument(id)).catch(
        unless('document_not_found', undefined),
      ),
    addDocuments: (index, ndjson, primaryKey) =>
      enqueued(index, () => client.index(index).addDocumentsFromString(ndjson, 'application/x-ndjson', { primaryKey })),
    deleteDocuments: (index, ids) => enqueued(index, () => client.index(index).deleteDocuments([...ids])),
    deleteAllDocuments: index => enqueued(index, () => client.index(index).deleteAllDocuments()),
    taskDone,
    tasksWaiting: index =>
      asking(index, async () => {
        const { total } = await client.tasks.getTasks({
          indexUids: [index],
          statuses: ['enqueued', 'processing'],
          limit: 1,
        })
        return total
      }),

    search: (index, { q, ...query }, signal) =>
      searching(index, signal, init => client.index(index).search(q ?? '', query, init)),
    multiSearch: (queries, signal) =>
      searching(queries[0]?.indexUid ?? '', signal, async init => {
        const { results } = await client.multiSearch({ queries: [...queries] }, init)
        return results
      }),
    facetSearch: (index, query, signal) =>
      searching(index, signal, async init => (await client.index(index).searchForFacetValues(query, init)).facetHits),
  }
}
