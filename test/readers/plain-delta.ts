/**
 * A Delta table written by plain means, without the product's writer: Parquet by DuckDB's COPY, commits as JSON, deletion
 * vectors byte by byte (https://github.com/delta-io/delta/blob/master/PROTOCOL.md).
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import type { ObjectStore } from '../../backends/object-store/store.ts'
import type { TableSchema } from '../../engine/schema/schema.ts'
import { deltaType, struct } from './plain-types.ts'
import type { LakeTable } from './reader.ts'

/** A line of a commit, such as `{ add: {…} }`. */
export type Action = Readonly<Record<string, unknown>>

/** A file in the table's folder. */
export type WrittenFile = { readonly path: string; readonly size: number }

export type PlainDelta = AsyncDisposable & {
  /** Writes the result of a query as Parquet. */
  parquet(path: string, sql: string): Promise<WrittenFile>
  /** Writes a deletion vector of at most 65,536 rows, and describes it as an `add` does. */
  deletionVector(rows: readonly number[]): Promise<Action>
  /** Puts a commit. Throws when the version is there already. */
  commit(version: number, ...actions: readonly Action[]): Promise<void>
}

/** A writer into the table's folder of a bucket that exists. */
export async function plainDelta(store: ObjectStore, { bucket, path: root }: LakeTable): Promise<PlainDelta> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  const temporary = await mkdtemp(join(tmpdir(), 'blasty-delta-'))
  const put = async (path: string, body: Buffer): Promise<WrittenFile> => {
    const written = await store.put(bucket, `${root}/${path}`, body, { ifAbsent: true })
    if (!written) throw new Error(`${path} is there already`)
    return { path, size: body.length }
  }
  return {
    async parquet(path, sql) {
      const file = join(temporary, randomUUID())
      await connection.run(`COPY (${sql}) TO '${file}' (FORMAT parquet)`)
      return await put(path, await readFile(file))
    },
    async deletionVector(rows) {
      const id = randomUUID()
      const data = deletionVectorData(rows)
      await put(`deletion_vector_${id}.bin`, deletionVectorFile(data))
      return {
        storageType: 'u',
        pathOrInlineDv: z85(Buffer.from(id.replaceAll('-', ''), 'hex')),
        offset: 1,
        sizeInBytes: data.length,
        cardinality: rows.length,
      }
    },
    async commit(version, ...actions) {
      const lines = actions.map(action => `${JSON.stringify(action)}\n`)
      await put(`_delta_log/${String(version).padStart(20, '0')}.json`, Buffer.from(lines.join('')))
    },
    async [Symbol.asyncDispose]() {
      connection.closeSync()
      instance.closeSync()
      await rm(temporary, { recursive: true, force: true })
    },
  }
}

/** Magic, one 64-bit bitmap for the high key 0: a portable 32-bit roaring bitmap of one array container. */
function deletionVectorData(rows: readonly number[]): Buffer {
  const values = [...rows].sort((a, b) => a - b)
  const data = Buffer.alloc(16 + 16 + values.length * 2)
  data.writeUInt32LE(1681511377, 0)
  data.writeBigUInt64LE(1n, 4)
  data.writeUInt32LE(0, 12)
  data.writeUInt32LE(12346, 16) // cookie: no run containers
  data.writeUInt32LE(1, 20) // containers
  data.writeUInt16LE(0, 24) // upper 16 bits
  data.writeUInt16LE(values.length - 1, 26)
  data.writeUInt32LE(16, 28) // where the container begins in the bitmap
  for (const [index, value] of values.entries()) data.writeUInt16LE(value, 32 + index * 2)
  return data
}

function deletionVectorFile(data: Buffer): Buffer {
  const file = Buffer.alloc(1 + 4 + data.length + 4)
  file.writeUInt8(1, 0) // version
  file.writeUInt32BE(data.length, 1)
  data.copy(file, 5)
  file.writeUInt32BE(crc32(data), 5 + data.length)
  return file
}

const z85Digits = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'

function z85(bytes: Buffer): string {
  let text = ''
  for (let offset = 0; offset < bytes.length; offset += 4) {
    const word = bytes.readUInt32BE(offset)
    for (let power = 85 ** 4; power >= 1; power /= 85) text += z85Digits.charAt(Math.floor(word / power) % 85)
  }
  return text
}

/** The actions of a first commit: deletion vectors and the change data feed on, columns as the schema says and further ones. */
export function creation(
  schema: TableSchema,
  ...further: readonly { readonly name: string; readonly type: string }[]
): Action[] {
  const fields = [
    ...schema.columns.map(column => ({ name: column.name, type: deltaType(column), nullable: !column.required })),
    ...further,
  ]
  const schemaString = JSON.stringify(struct(fields))
  return [
    { commitInfo: { timestamp: Date.now(), operation: 'CREATE TABLE' } },
    {
      protocol: {
        minReaderVersion: 3,
        minWriterVersion: 7,
        readerFeatures: ['deletionVectors'],
        writerFeatures: ['deletionVectors', 'changeDataFeed', 'appendOnly', 'invariants'],
      },
    },
    {
      metaData: {
        id: randomUUID(),
        format: { provider: 'parquet', options: {} },
        schemaString,
        partitionColumns: [],
        configuration: { 'delta.enableDeletionVectors': 'true', 'delta.enableChangeDataFeed': 'true' },
        createdTime: Date.now(),
      },
    },
  ]
}

/** The `add` of a file. */
export function added({ path, size }: WrittenFile, stats: Action, more: Action = {}): Action {
  const common = { partitionValues: {}, modificationTime: Date.now(), dataChange: true }
  return { add: { path, size, ...common, stats: JSON.stringify(stats), ...more } }
}

/** The `remove` of a file. */
export function removed({ path, size }: WrittenFile, more: Action = {}): Action {
  const common = { deletionTimestamp: Date.now(), dataChange: true, extendedFileMetadata: true, partitionValues: {} }
  return { remove: { path, size, ...common, ...more } }
}
