/** A Table for tests: a log on a real server, schemas that change, and processes with folders of their own that come and go. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { ObjectStore } from '../backends/object-store/store.ts'
import type { Streams } from '../backends/streams/connect.ts'
import { announceSchema } from './log/control.ts'
import { openSqlDatabase, type SqlDatabase } from './replica/sql-database.ts'
import type { TableSchema } from './schema/schema.ts'
import { Table } from './table.ts'
import { type TestLog, temporaryFolder, testLog } from './testing.ts'

/** One process's view of the Table. */
export type TestProcess = {
  readonly table: Table
  readonly sql: SqlDatabase | undefined
  readonly close: () => Promise<void>
}

export type TestTable = {
  readonly on: TestLog
  readonly folder: string
  /** Schemas as the bucket holds them, by number. */
  readonly documents: Map<number, TableSchema>
  readonly newest: () => TableSchema
  /** Puts the next schema into the bucket and announces it in the log; returns the revision. */
  readonly announce: (schema: TableSchema) => Promise<number>
  /** Opens the Table over a folder; `schema` is what the status tells, which may be out of date. */
  readonly open: (
    directory: string,
    options?: { schema?: TableSchema; sql?: boolean; streams?: Streams },
  ) => Promise<TestProcess>
  readonly close: () => Promise<void>
}

export const sqlName = 'films'

type Bucket = { readonly objects: ObjectStore; readonly bucket: string }

/** With a bucket, whatever is not in the log lies there; without, only the store's calls for schemas are answered. */
export async function testTable(first: TableSchema, real?: Bucket): Promise<TestTable> {
  const [on, { path: folder, remove }] = await Promise.all([testLog(first), temporaryFolder()])
  const documents = new Map([[first.number, first]])
  const newest = () => documents.get(documents.size) ?? first
  const bucket: Pick<ObjectStore, 'get' | 'put'> = {
    put: async () => true,
    get: async (_, key) => {
      const schema = documents.get(Number(/(\d+)\.json$/.exec(key)?.[1]))
      return schema && Buffer.from(JSON.stringify(schema))
    },
  }
  const schemasOnly: ObjectStore = new Proxy({} as ObjectStore, {
    get: (_, name) => {
      if (name === 'claims') return undefined // It keeps what it was asked to keep.
      if (name === 'until') return () => schemasOnly
      return name === 'get' || name === 'put' ? bucket[name] : assert.fail(`the bucket is asked for ${String(name)}`)
    },
  })
  const opened = new Set<TestProcess>()
  return {
    on,
    folder,
    documents,
    newest,
    announce: schema => {
      documents.set(schema.number, schema)
      return announceSchema(on.log, schema.number)
    },
    open: async (directory, { schema = newest(), sql: wanted = false, streams = on.streams } = {}) => {
      const dataDirectory = join(folder, directory)
      const sql = wanted
        ? await openSqlDatabase(join(folder, `${directory}.duckdb`), { memory: '512MB', threads: 1 })
        : undefined
      const { tableUid: uid, stream, epoch } = on.log
      const table = new Table(
        { namespace: 'test', name: sqlName, uid, schema, bucket: real?.bucket ?? 'bucket', stream, epoch },
        {
          streams,
          objects: real?.objects ?? schemasOnly,
          dataDirectory,
          ...(sql === undefined ? {} : { sql: async () => sql }),
          onError: error => assert.fail(String(error)),
        },
      )
      const process: TestProcess = {
        table,
        sql,
        close: async () => {
          if (!opened.delete(process)) return
          await table.close()
          await sql?.close()
        },
      }
      opened.add(process)
      return process
    },
    close: async () => {
      for (const process of [...opened]) await process.close()
      await on.close()
      await remove()
    },
  }
}

/** Rows of a statement on an instance, as JSON values. */
export async function rowsOf(sql: SqlDatabase | undefined, statement: string) {
  assert.ok(sql)
  const connection = await sql.connect()
  try {
    return (await connection.runAndReadAll(statement)).getRowObjectsJson()
  } finally {
    connection.closeSync()
  }
}
