/**
 * Parquet files of the lake, written and read by a DuckDB instance of the archiver's or loader's own: it sees the files of one
 * scratch folder and no statement of a user.
 */

import { BIGINT, type DuckDBConnection, DuckDBDataChunk, DuckDBInstance, INTEGER } from '@duckdb/node-api'
import { commitTimeColumn, revisionColumn } from '../replica/sql-types.ts'
import type { TableSchema } from '../schema/schema.ts'
import { quoteIdentifier, quoteText } from '../sql/quote.ts'
import { rowJson, storedType } from './columns.ts'
import { batchEndField, changeFields, selectRecords, selectRows } from './staged.ts'
import { type FileStats, fileStats } from './stats.ts'

export type ParquetLimits = {
  /** Such as `512MB`. */
  readonly memory: string
  readonly threads: number
}

export type WrittenFile = { readonly rows: number; readonly bytes: number; readonly stats: FileStats }

/** A file and the positions of its rows that are deleted. `upTo`: rows of batches that end behind it are left out. */
export type SourceFile = { readonly file: string; readonly deleted: Iterable<number>; readonly upTo?: number }

/** A row as it is read back. */
export type LakeRow = {
  /** Its place in the file, from 0. */
  readonly position: number
  readonly revision: number
  /** Microseconds since 1970. */
  readonly commitTime: number
  /** The row as JSON text. */
  readonly body: string
}

/** A row that was inserted, and the readable revision of the batch that did so. */
export type InsertedRow = LakeRow & { readonly batchEnd: number }

const changeTypes = ['insert', 'delete', 'update_preimage', 'update_postimage'] as const
export type ChangeType = (typeof changeTypes)[number]

/** One line of a change file: a row before or after a change. */
export type LakeChange = LakeRow & {
  readonly type: ChangeType
  /** Revision of the change. */
  readonly change: number
  /** Readable revision of the batch that the change is of. */
  readonly batchEnd: number
  /** When the batch was committed, in microseconds since 1970. */
  readonly batchTime: number
}

export type CommittedUpTo = { readonly revision: number | undefined; readonly oldest: number | undefined }

const chunkRows = 2048

export class ParquetFiles {
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance
    this.#connection = connection
  }

  /** `directory` is the scratch folder; it must exist. One call at a time. */
  static async open(directory: string, { memory, threads }: ParquetLimits): Promise<ParquetFiles> {
    const instance = await DuckDBInstance.create(':memory:', {
      threads: String(threads),
      memory_limit: memory,
      temp_directory: `${directory}/spill`,
    })
    const files = await ParquetFiles.#connect(instance)
    await files.#connection.run(
      `SET allowed_directories = [${quoteText(directory)}]; SET enable_external_access = false`,
    )
    return files
  }

  /** Another that shares the database and its limits, for a call at the same time as one of this. Each is closed by itself. */
  beside(): Promise<ParquetFiles> {
    return ParquetFiles.#connect(this.#instance)
  }

  static async #connect(instance: DuckDBInstance): Promise<ParquetFiles> {
    const connection = await instance.connect()
    // Temporary: each connection has its own.
    await connection.run('CREATE TEMP TABLE deleted (source INTEGER, position BIGINT)')
    return new ParquetFiles(instance, connection)
  }

  close(): void {
    this.#connection.closeSync()
    this.#instance.closeSync()
  }

  /** Writes rows, one a line of JSON with `_revision`, `_commit_time` (µs) and `_blasty_batch_end` in it, in their order. */
  writeRows(schema: TableSchema, from: string, to: string): Promise<WrittenFile> {
    return this.#copy(schema, selectRows(schema, from, [batchEndField]), to)
  }

  /** Writes rows that stand on a line for each record of the log (`recordLine`), in the order of the files and theirs. */
  writeRecords(schema: TableSchema, from: readonly string[], to: string): Promise<WrittenFile> {
    return this.#copy(schema, selectRecords(schema, from), to)
  }

  /** Writes changes, one a line of JSON that holds the change fields besides, in their order. */
  writeChanges(schema: TableSchema, from: string, to: string): Promise<WrittenFile> {
    return this.#copy(schema, selectRows(schema, from, changeFields), to)
  }

  /** Writes the live rows of several files into one, in the order of their keys. */
  async rewrite(schema: TableSchema, sources: readonly SourceFile[], to: string): Promise<WrittenFile> {
    const more = schema.primaryKey.length === 0 ? [batchEndField] : []
    const live = await this.#live(schema, sources, more)
    const names = [
      ...schema.columns.map(({ name }) => quoteIdentifier(name)),
      revisionColumn,
      commitTimeColumn,
      ...more,
    ]
    // Appended rows of one revision keep their order. They lie in one file, and nothing else says which came first.
    const order = schema.primaryKey.length === 0 ? [revisionColumn, 'position'] : schema.primaryKey.map(quoteIdentifier)
    return this.#copy(schema, `SELECT ${names.join(', ')} FROM (${live}) ORDER BY ${order.join(', ')}`, to)
  }

  /** The live rows of a file, in parts. */
  async *read(schema: TableSchema, source: SourceFile): AsyncGenerator<LakeRow[]> {
    const text = `SELECT position, ${revisionColumn}, epoch_us(${commitTimeColumn}), ${rowJson(schema)} FROM (${await this.#live(schema, [source])})`
    for await (const rows of this.#stream(text)) yield rows.map(lakeRow)
  }

  /** The live rows of a file as chunks of the database, one column for each expression over the Table's columns. */
  async *chunks(
    schema: TableSchema,
    source: SourceFile,
    expressions: readonly string[],
  ): AsyncGenerator<DuckDBDataChunk> {
    yield* this.#chunks(`SELECT ${expressions.join(', ')} FROM (${await this.#live(schema, [source])})`)
  }

  /** Live rows of batches that end behind `after`, in parts, in the order in which they were inserted. */
  async *readInserted(schema: TableSchema, source: SourceFile, after: number): AsyncGenerator<InsertedRow[]> {
    const fields = ['position', revisionColumn, `epoch_us(${commitTimeColumn})`, rowJson(schema), batchEndField]
    const text = `SELECT ${fields.join(', ')} FROM (${await this.#live(schema, [source], [batchEndField])})
      WHERE ${batchEndField} > ${after} ORDER BY ${revisionColumn}, position`
    for await (const rows of this.#stream(text))
      yield rows.map(values => ({ ...lakeRow(values), batchEnd: Number(values[4]) }))
  }

  /** Lines of a change file whose batch ends behind `after`, in parts, in their order. */
  async *readChanges(schema: TableSchema, file: string, after: number): AsyncGenerator<LakeChange[]> {
    const fields = ['position', revisionColumn, `epoch_us(${commitTimeColumn})`, rowJson(schema), ...changeFields]
    const text = `SELECT ${fields.join(', ')} FROM (${await this.#stored(schema, file, changeFields)})
      WHERE _blasty_batch_end > ${after} ORDER BY position`
    for await (const rows of this.#stream(text)) yield rows.map(lakeChange)
  }

  /** Where the last batch of a file ends that was committed at `time` or before; undefined when there is none. */
  async lastBatch(file: string, time: number): Promise<number | undefined> {
    const found = await this.#connection.runAndReadAll(
      `SELECT max(${batchEndField}) FROM read_parquet(${quoteText(file)}) WHERE epoch_us(${commitTimeColumn}) <= $1`,
      [BigInt(time)],
    )
    const [end] = found.getRowsJS()[0] ?? []
    return end === null || end === undefined ? undefined : Number(end)
  }

  /**
   * How far a file's batches were committed at `time` (microseconds since 1970) or before, with all those in front of them: the end of the
   * last; undefined when the first was not. And when the oldest row was committed of the rest.
   */
  async committedUpTo(schema: TableSchema, file: string, time: number): Promise<CommittedUpTo> {
    const stored = await this.#stored(schema, file, [batchEndField])
    const later = `epoch_us(${commitTimeColumn}) > ${time}`
    const found = await this.#connection.runAndReadAll(
      `WITH stored AS (${stored}), later AS (SELECT min(${revisionColumn}) AS least FROM stored WHERE ${later})
      SELECT max(${batchEndField}) FILTER (least IS NULL OR ${revisionColumn} < least),
        min(epoch_us(${commitTimeColumn})) FILTER (${later}) FROM stored, later`,
    )
    const [revision, oldest] = (found.getRowsJS()[0] ?? []).map(value => (value === null ? undefined : Number(value)))
    return { revision, oldest }
  }

  /** Positions of a file's rows whose revision is `revision` or less. */
  async positionsUpTo(file: string, revision: number): Promise<number[]> {
    const positions: number[] = []
    const text = `SELECT file_row_number FROM read_parquet(${quoteText(file)}, file_row_number = true)
      WHERE ${revisionColumn} <= ${revision}`
    for await (const rows of this.#stream(text)) for (const [position] of rows) positions.push(Number(position))
    return positions
  }

  async #copy(schema: TableSchema, select: string, to: string): Promise<WrittenFile> {
    const result = await this.#connection.runAndReadAll(
      `COPY (${select}) TO ${quoteText(to)} (FORMAT parquet, COMPRESSION zstd, RETURN_STATS)`,
    )
    const [row] = result.getRowObjectsJson()
    const rows = Number(row?.count ?? 0)
    return {
      rows,
      bytes: Number(row?.file_size_bytes ?? 0),
      stats: fileStats(schema, rows, row?.column_statistics),
    }
  }

  /** A SELECT of the rows of files that are not deleted, each with its `position`. */
  async #live(schema: TableSchema, sources: readonly SourceFile[], more: readonly string[] = []): Promise<string> {
    await this.#connection.run('DELETE FROM deleted')
    const parts: string[] = []
    for (const [index, { file, deleted, upTo }] of sources.entries()) {
      const bounded = upTo === undefined ? '' : ` WHERE ${batchEndField} <= ${upTo}`
      const stored = (await this.#stored(schema, file, more)) + bounded
      const some = await this.#noteDeleted(index, deleted)
      parts.push(
        some
          ? `SELECT * FROM (${stored}) WHERE position NOT IN (SELECT position FROM deleted WHERE source = ${index})`
          : stored,
      )
    }
    return parts.join(' UNION ALL ')
  }

  /** Notes positions that are deleted; false when there are none. */
  async #noteDeleted(source: number, deleted: Iterable<number>): Promise<boolean> {
    let some = false
    const appender = await this.#connection.createAppender('deleted')
    try {
      for (const positions of chunked(deleted, chunkRows)) {
        some = true
        const chunk = DuckDBDataChunk.create([INTEGER, BIGINT], positions.length)
        chunk.setColumnValues(
          0,
          positions.map(() => source),
        )
        chunk.setColumnValues(1, positions.map(BigInt))
        appender.appendDataChunk(chunk)
      }
    } finally {
      appender.closeSync()
    }
    return some
  }

  /** A SELECT of a file's rows under a schema: columns that it was written without are null. */
  async #stored(schema: TableSchema, file: string, more: readonly string[]): Promise<string> {
    const source = `read_parquet(${quoteText(file)}, file_row_number = true)`
    const described = await this.#connection.runAndReadAll(`DESCRIBE SELECT * FROM ${source}`)
    const present = new Set(described.getRowsJson().map(([name]) => String(name)))
    const columns = schema.columns.map(column => {
      const name = quoteIdentifier(column.name)
      return present.has(column.name) ? name : `NULL::${storedType(column)} AS ${name}`
    })
    // What another engine puts together lacks what only we write: each record then stands for a batch.
    const others = more.map(name =>
      name !== batchEndField || present.has(name) ? name : `${revisionColumn} AS ${batchEndField}`,
    )
    const all = [...columns, revisionColumn, commitTimeColumn, ...others, 'file_row_number AS position']
    return `SELECT ${all.join(', ')} FROM ${source}`
  }

  async *#chunks(text: string): AsyncGenerator<DuckDBDataChunk> {
    const result = await this.#connection.stream(text)
    for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk())
      yield chunk
  }

  async *#stream(text: string) {
    for await (const chunk of this.#chunks(text)) yield chunk.getRows()
  }
}

function lakeRow(values: readonly unknown[]): LakeRow {
  const [position, revision, commitTime, body] = values
  return {
    position: Number(position),
    revision: Number(revision),
    commitTime: Number(commitTime),
    body: String(body),
  }
}

function lakeChange(values: readonly unknown[]): LakeChange {
  const [type, change, batchEnd, batchTime] = values.slice(4)
  const known = changeTypes.find(name => name === type)
  if (known === undefined) throw new TypeError(`a change of type ${String(type)}`)
  return {
    ...lakeRow(values),
    type: known,
    change: Number(change),
    batchEnd: Number(batchEnd),
    batchTime: Number(batchTime),
  }
}

function* chunked(values: Iterable<number>, size: number): Generator<number[]> {
  let part: number[] = []
  for (const value of values) {
    if (part.push(value) < size) continue
    yield part
    part = []
  }
  if (part.length > 0) yield part
}
