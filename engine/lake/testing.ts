/** What the tests of the lake share: a Table on real servers, archivers that come and go, and what is in the lake by now. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type ObjectStore, objectStore } from '../../backends/object-store/store.ts'
import { testStack } from '../../devstack/testing.ts'
import type { SqlDatabase } from '../replica/sql-database.ts'
import { writeSchema } from '../schema/documents.ts'
import type { Row, TableSchema } from '../schema/schema.ts'
import { Table } from '../table.ts'
import { patience, type TestLog, temporaryFolder, testLog } from '../testing.ts'
import { type ArchiveProgress, type ArchiverOptions, archive } from './archiver.ts'
import { readVector } from './delta/deletion-vector.ts'
import { readState } from './delta/state.ts'
import { downloadFile } from './objects.ts'
import { ParquetFiles } from './parquet.ts'

export type TestLake = {
  readonly on: TestLog
  readonly objects: ObjectStore
  readonly bucket: string
  readonly folder: string
  /** The Table in a process of its own; the folder's name says which caches it has. */
  readonly open: (directory: string, objects?: ObjectStore, sql?: () => Promise<SqlDatabase>) => Table
  /** Runs an archiver until it is stopped. */
  readonly archiver: (table: Table, directory: string, options?: Partial<ArchiverOptions>) => TestArchiver
  /** The rows of the lake by their keys or, without a key, in the order of revisions, and the revision that it holds. */
  readonly rows: (table: Table) => Promise<{ readonly rows: readonly Row[]; readonly revisions: readonly number[] }>
  readonly close: () => Promise<void>
}

export type TestArchiver = {
  readonly reached: (revision: number) => Promise<ArchiveProgress>
  readonly stop: () => Promise<void>
  readonly ended: Promise<void>
  readonly failures: readonly unknown[]
}

/** `onError` is told when a replica can no longer follow. Without it that fails the test. */
export async function testLake(
  schema: TableSchema,
  onError: (error: unknown) => void = error => assert.fail(String(error)),
): Promise<TestLake> {
  const [on, { path: folder, remove }, { objectStore: store }] = await Promise.all([
    testLog(schema),
    temporaryFolder(),
    testStack('objectStore'),
  ])
  const shared = objectStore({ ...store, pathStyle: true })
  const bucket = `test-${randomUUID()}`
  await shared.makeBucket(bucket)
  await writeSchema(shared, bucket, schema)
  const tables = new Set<Table>()
  const archivers = new Set<TestArchiver>()
  const { tableUid: uid, stream, epoch } = on.log
  const open = (directory: string, objects = shared, sql?: () => Promise<SqlDatabase>) => {
    const table = new Table(
      { namespace: 'test', name: 'films', uid, schema, bucket, stream, epoch },
      {
        streams: on.streams,
        objects,
        dataDirectory: join(folder, directory),
        ...(sql === undefined ? {} : { sql }),
        onError,
      },
    )
    tables.add(table)
    return table
  }
  return {
    on,
    objects: shared,
    bucket,
    folder,
    open,
    archiver: (table, directory, options = {}) => {
      const running = startArchiver(table, join(folder, directory), options)
      archivers.add(running)
      return running
    },
    rows: table => rowsInLake(table, join(folder, `look-${randomUUID()}`)),
    close: async () => {
      for (const archiver of archivers) await archiver.stop()
      for (const table of tables) await table.close()
      const keys: string[] = []
      for await (const { key } of shared.list(bucket, '')) keys.push(key)
      await shared.remove(bucket, keys)
      await shared.removeBucket(bucket)
      await on.close()
      await remove()
    },
  }
}

function startArchiver(table: Table, directory: string, options: Partial<ArchiverOptions>): TestArchiver {
  const stop = new AbortController()
  let progress: ArchiveProgress | undefined
  const waiting = new Set<() => void>()
  const failures: unknown[] = []
  const ended = archive({
    table,
    directory,
    commitWindowMillis: 20,
    historySeconds: 3600,
    retentionSeconds: 3600,
    emptyPauseMillis: 20,
    signal: stop.signal,
    onFailure: error => {
      failures.push(error)
    },
    onProgress: next => {
      progress = next
      for (const look of waiting) look()
    },
    ...options,
  })
  ended.catch(() => {})
  return {
    ended,
    failures,
    reached: revision =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (progress === undefined || progress.revision < revision) return
          waiting.delete(look)
          resolve(progress)
        }
        const late = patience()
        late.addEventListener('abort', () =>
          reject(
            new Error(
              `the lake did not reach ${revision}: ${JSON.stringify(progress)}, ${failures.map(String).join()}`,
            ),
          ),
        )
        ended.then(() => reject(new Error('the archiver ended')), reject)
        waiting.add(look)
        look()
      }),
    stop: async () => {
      stop.abort()
      await ended.catch(() => {})
    },
  }
}

async function rowsInLake(table: Table, folder: string) {
  await mkdir(folder)
  const state = await readState(table.lake)
  assert.ok(state)
  const parquet = await ParquetFiles.open(folder, { memory: '256MB', threads: 1 })
  const found: { readonly revision: number; readonly row: Row }[] = []
  try {
    for (const file of state.files.values()) {
      const deleted = file.deletionVector === undefined ? [] : await readVector(table.lake, file.deletionVector)
      const local = await downloadFile(table.lake, file, folder)
      for await (const rows of parquet.read(table.schemas.current, { file: local, deleted })) {
        for (const { revision, body } of rows)
          found.push({ revision, row: table.schemas.codec.decode(Buffer.from(body)) })
      }
    }
  } finally {
    parquet.close()
    await rm(folder, { recursive: true, force: true })
  }
  const encode = table.schemas.encodeKey
  found.sort((a, b) => (table.keyed ? Buffer.compare(encode(a.row), encode(b.row)) : a.revision - b.revision))
  return { rows: found.map(({ row }) => row), revisions: found.map(({ revision }) => revision) }
}
