/** What the tests of erasing share: a Table with all that hangs on one, and looking at every byte that its stores hold. */

import { randomUUID } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import type { ObjectStore } from '../../backends/object-store/store.ts'
import type { Search } from '../../backends/search/search.ts'
import type { Streams } from '../../backends/streams/connect.ts'
import { nextMessage } from '../../backends/streams/messages.ts'
import { testStack, uniqueName } from '../../devstack/testing.ts'
import { blobGraceMillis } from '../blobs/content.ts'
import { route } from '../feed/router.ts'
import { subscriptionStreamConfig } from '../feed/subscription-stream.ts'
import { indexTable } from '../indexing/indexer.ts'
import { type IndexSpec, idAttribute } from '../indexing/layout.ts'
import { indexSettings } from '../indexing/settings.ts'
import { sharedSearch } from '../indexing/testing.ts'
import { type TestArchiver, type TestLake, testLake } from '../lake/testing.ts'
import { openSqlDatabase, type SqlDatabase } from '../replica/sql-database.ts'
import type { TableSchema } from '../schema/schema.ts'
import type { Table } from '../table.ts'
import { filmSchema, patience } from '../testing.ts'
import { finishErasures } from './blobs.ts'
import { type Dependents, type EraseOptions, eraseOnce } from './erase.ts'

/** Films with a poster. */
export const personSchema: TableSchema = {
  ...filmSchema,
  columns: [...filmSchema.columns, { name: 'poster', type: 'Blob', required: false, field: 15 }],
}

export const writing = () => ({ principal: 'p', schema: 1, signal: patience() })
export const nothingHangs = (): Dependents => ({ indexes: [], subscriptions: [] })

/** Does all there is to do for the erasures of a Table, as a worker does until nothing waits; the blobs' day has passed already. */
export async function eraseAll(table: Table, scratch: string, options: Partial<EraseOptions> = {}): Promise<void> {
  const signal = patience()
  const all = { table, dependents: nothingHangs, scratch, signal, settleMillis: 20, ...options }
  while ((await eraseOnce(all)) > 0) await sleep(20, undefined, { signal })
  const now = () => Date.now() + blobGraceMillis + 3_600_000
  while ((await finishErasures({ table, scratch, signal, watchMillis: 1, now })) > 0)
    await sleep(20, undefined, { signal })
}

export type Stage = {
  readonly lake: TestLake
  readonly table: Table
  readonly sql: SqlDatabase
  readonly archiver: TestArchiver
  readonly search: Search
  readonly index: string
  readonly stream: string
  readonly dependents: () => Dependents
  readonly scratch: string
  readonly close: () => Promise<void>
}

const spec: IndexSpec = { searchable: ['title', 'tags'], filterable: ['title', 'tags'], sortable: [] }

/** A Table with a lake, SQL, an Index and a Subscription, each kept by who keeps it in a worker. `indexing`: the search server as the indexer knows it. */
export async function testStage(indexing?: Search): Promise<Stage> {
  const lake = await testLake(personSchema, () => {})
  const search = await sharedSearch()
  const sql = await openSqlDatabase(join(lake.folder, 'columns.duckdb'), { memory: '256MB', threads: 1 })
  const table = lake.open('a', lake.objects, async () => sql)
  const archiver = lake.archiver(table, 'lake-a', { checkpointVersions: 3 })
  const index = uniqueName('people')
  await search.createIndex(index, idAttribute)
  await search.updateSettings(index, indexSettings(spec, personSchema))
  const stream = uniqueName('sub')
  const config = { stream, maxBytes: 1_000_000, replicas: 1, metadata: {} }
  await lake.on.streams.admin.streams.add(subscriptionStreamConfig(config))
  const stop = new AbortController()
  const { signal } = stop
  const running = Promise.all([
    indexTable({
      log: table.log,
      schemas: table.schemas,
      replica: waiting => table.reached(0, 'rows', waiting),
      search: indexing ?? search,
      index,
      spec,
      leaseMillis: 20,
      requestMillis: 2_000,
      limits: { checkMillis: 50 },
      signal,
      onProgress: () => {},
    }),
    route({ table, stream, test: () => true, start: { from: 'Now' }, signal, onProgress: () => {} }),
  ])
  running.catch(() => {}) // Told when it is closed.
  await until('the router begins', async () => (await nextMessage(lake.on.streams, stream, '>', 1)) !== null)
  return {
    lake,
    table,
    sql,
    archiver,
    search,
    index,
    stream,
    scratch: join(lake.folder, 'scratch'),
    dependents: () => ({
      indexes: [{ name: 'people', index, search }],
      subscriptions: [{ name: 'news', stream }],
    }),
    close: async () => {
      stop.abort()
      await running
      await archiver.stop()
      await table.close()
      await sql.close()
      await search.deleteIndex(index)
      await lake.on.streams.admin.streams.delete(stream)
      await lake.close()
    },
  }
}

const holds = (bytes: Buffer, needles: readonly Buffer[]): boolean => needles.some(needle => bytes.includes(needle))

/** Keys of the objects that hold one of the needles, as they are or in what Parquet makes of them. */
export async function foundInBucket(
  objects: ObjectStore,
  bucket: string,
  needles: readonly Buffer[],
): Promise<string[]> {
  const found: string[] = []
  const instance = await DuckDBInstance.create()
  const connection = await instance.connect()
  const file = join(tmpdir(), `blasty-test-${randomUUID()}.parquet`)
  try {
    for await (const { key } of objects.list(bucket, '')) {
      const bytes = (await objects.get(bucket, key)) ?? Buffer.alloc(0)
      let decoded = Buffer.alloc(0)
      if (key.endsWith('.parquet')) {
        await writeFile(file, bytes)
        const rows = await connection.runAndReadAll(`SELECT * FROM read_parquet('${file}')`)
        decoded = Buffer.from(JSON.stringify(rows.getRowObjectsJson()))
      }
      if (holds(bytes, needles) || holds(decoded, needles)) found.push(key)
    }
  } finally {
    connection.closeSync()
    instance.closeSync()
    await rm(file, { force: true })
  }
  return found
}

/** Sequences of the messages of a stream that hold one of the needles. */
export async function foundInStream(streams: Streams, stream: string, needles: readonly Buffer[]): Promise<number[]> {
  const found: number[] = []
  for (let from = 1; ; ) {
    const message = await nextMessage(streams, stream, '>', from)
    if (message === null) return found
    const headers = message.header === undefined ? '' : [...message.header].map(([, values]) => values.join()).join()
    if (holds(Buffer.concat([Buffer.from(`${message.subject} ${headers}`), message.data]), needles))
      found.push(message.seq)
    from = message.seq + 1
  }
}

/** Files below a folder that hold one of the needles. */
export async function foundInFolder(folder: string, needles: readonly Buffer[]): Promise<string[]> {
  const found: string[] = []
  for (const entry of await entriesOf(folder)) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath, entry.name)
    const bytes = await readFile(file).catch(() => Buffer.alloc(0)) // It may go at this very moment.
    if (holds(bytes, needles)) found.push(file)
  }
  return found
}

/** Folders in it may go while they are listed: then it is listed again. */
async function entriesOf(folder: string, attempt = 1): Promise<Dirent[]> {
  try {
    return await readdir(folder, { recursive: true, withFileTypes: true })
  } catch (error) {
    if (attempt === 10) throw error
    return entriesOf(folder, attempt + 1)
  }
}

/** The folder in which the streams server keeps a stream. */
export async function folderOfStream(stream: string): Promise<string> {
  const { folder } = await testStack('nats')
  return join(folder, 'nats-1', 'jetstream', 'jetstream', 'BLASTY', 'streams', stream)
}

/** Waits until something is found to be so; `look` is asked again and again. */
export async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  for (const signal = patience(); !(await look()); await sleep(20))
    if (signal.aborted) throw new Error(`it did not come about that ${what}`)
}
