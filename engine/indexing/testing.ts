/** What the tests of indexing share: a Table of films with an index of its own, and an indexer that can be stopped. */

import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { connectSearch, type Search } from '../../backends/search/search.ts'
import { testStack, uniqueName } from '../../devstack/testing.ts'
import { type LogWriter, logWriter } from '../log/writer.ts'
import { TableReplica } from '../replica/replica.ts'
import type { Row, TableSchema } from '../schema/schema.ts'
import type { Schemas } from '../schema/schemas.ts'
import { encodeFilmKey, filmSchema, patience, type TestLog, temporaryFolder, testLog } from '../testing.ts'
import { type IndexerOptions, type IndexerProgress, indexTable } from './indexer.ts'
import { type IndexSpec, idAttribute, indexLayout } from './layout.ts'
import type { SearchRequest } from './request.ts'
import { type SearchTarget, searchIndex } from './search.ts'
import { indexSettings } from './settings.ts'

export const filmSpec: IndexSpec = {
  searchable: ['title', 'tags'],
  filterable: ['title', 'votes', 'gross', 'released', 'tags', 'place', 'flag', 'year'],
  sortable: ['year', 'votes', 'released', 'place'],
}

export type TestIndex = {
  readonly on: TestLog
  readonly writer: LogWriter
  readonly search: Search
  readonly index: string
  readonly target: SearchTarget
  /** Writes a change and returns its revision. */
  readonly put: (...rows: readonly (Row & { readonly id: string })[]) => Promise<number>
  readonly remove: (...ids: readonly string[]) => Promise<number>
  /** Makes the index with its settings, as the operator does. */
  readonly provision: () => Promise<void>
  /** Ends its indexers, then deletes log and index. */
  readonly close: () => Promise<void>
  readonly closing: (() => Promise<unknown>)[]
  /** What an indexer reads: a replica with these schemas, opened when it asks, and anew when it failed. */
  readonly replica: (schemas: Schemas) => IndexerOptions['replica']
}

export const writing = (schema: TableSchema) => ({ principal: 'test', schema: schema.number, signal: patience() })

/** A new log and a new index, on the shared search server unless another one is given. */
export async function testIndex(spec = filmSpec, given?: Search): Promise<TestIndex> {
  const search = given ?? (await sharedSearch())
  const on = await testLog(filmSchema)
  const folder = await temporaryFolder()
  const writer = logWriter(on.log, { encodeKey: encodeFilmKey, lookup: async () => undefined })
  const index = uniqueName('films')
  const provision = async () => {
    await search.createIndex(index, idAttribute)
    await search.updateSettings(index, indexSettings(spec, filmSchema))
  }
  await provision()
  const closing: (() => Promise<unknown>)[] = []
  const last: (() => Promise<unknown>)[] = []
  const target = { search, index, name: 'test/films', epoch: on.log.epoch, layout: indexLayout(spec, filmSchema) }
  return {
    on,
    writer,
    search,
    index,
    target,
    put: async (...rows) => {
      const committed = await writer.write(
        rows.map(row => ({ op: 'put' as const, row })),
        writing(filmSchema),
      )
      return committed.revision
    },
    remove: async (...ids) => {
      const committed = await writer.write(
        ids.map(id => ({ op: 'delete' as const, row: { id } })),
        writing(filmSchema),
      )
      return committed.revision
    },
    provision,
    replica: schemas => {
      let opened: Promise<TableReplica> | undefined
      // The last to be closed: an indexer that still runs would open another.
      last.push(async () => (await opened?.catch(() => undefined))?.close())
      return () => {
        const directory = join(folder.path, randomUUID())
        const discard = () => {
          opened = undefined
        }
        opened ??= TableReplica.open({ log: on.log, schemas, name: 'films', directory, onFailure: discard })
        opened.catch(discard)
        return opened
      }
    },
    close: async () => {
      for (const step of [...closing, ...last]) await step()
      await folder.remove()
      await search.deleteIndex(index)
      await on.close()
    },
    closing,
  }
}

export async function sharedSearch(): Promise<Search> {
  const { search } = await testStack('search')
  return connectSearch({ hosts: [search.host], key: search.key })
}

export type TestIndexer = {
  readonly progress: () => IndexerProgress | undefined
  readonly problems: readonly string[]
  readonly stop: () => Promise<void>
  /** Settles as `indexTable` does. */
  readonly ended: Promise<void>
}

/** Starts an indexer, with short times. */
export function startIndexer(test: TestIndex, changes: Partial<IndexerOptions> = {}): TestIndexer {
  const stop = new AbortController()
  const problems: string[] = []
  let progress: IndexerProgress | undefined
  const { on, search, index } = test
  const ended = indexTable({
    log: on.log,
    schemas: on.schemas,
    replica: test.replica(changes.schemas ?? on.schemas),
    search,
    index,
    spec: filmSpec,
    leaseMillis: 50,
    requestMillis: 2_000,
    limits: { checkMillis: 50 },
    signal: stop.signal,
    onProgress: (next, problem) => {
      progress = next
      if (problem !== undefined) problems.push(problem)
    },
    ...changes,
  })
  const stopped = async () => {
    stop.abort()
    await ended
  }
  test.closing.push(() => stopped().catch(() => {}))
  return { progress: () => progress, problems, stop: stopped, ended }
}

/** Ids of the films found at `minRevision`, in order. */
export async function idsFound(
  { target }: TestIndex,
  minRevision: number,
  request: Partial<SearchRequest> = {},
): Promise<readonly string[]> {
  const all = { q: '', limit: 1_000, minRevision, ...request }
  const { hits } = await searchIndex(target, all, patience())
  return hits.map(hit => hit.key.subarray(0, -1).toString())
}

/** Searches again until the index is ready, for as long as the test has patience. */
export async function onceReady<T>(ask: () => Promise<T>): Promise<T> {
  const signal = patience()
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (signal.aborted) throw error
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
}
