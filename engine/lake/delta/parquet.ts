/** Checkpoints are Parquet files: rows of actions written and read by a DuckDB of their own, in a folder that goes away. */

import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { quoteText } from '../../sql/quote.ts'

const texts = 'MAP(VARCHAR, VARCHAR)'
const vector =
  'STRUCT(storageType VARCHAR, pathOrInlineDv VARCHAR, "offset" INTEGER, sizeInBytes INTEGER, cardinality BIGINT)'

/** The columns of a checkpoint (Delta protocol, Checkpoint Schema), and deletion vectors. */
const columns = {
  txn: 'STRUCT(appId VARCHAR, version BIGINT, lastUpdated BIGINT)',
  add: `STRUCT(path VARCHAR, partitionValues ${texts}, size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, stats VARCHAR, tags ${texts}, deletionVector ${vector})`,
  remove: `STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN, extendedFileMetadata BOOLEAN, partitionValues ${texts}, size BIGINT, deletionVector ${vector})`,
  metaData: `STRUCT(id VARCHAR, name VARCHAR, description VARCHAR, format STRUCT(provider VARCHAR, options ${texts}), schemaString VARCHAR, partitionColumns VARCHAR[], createdTime BIGINT, configuration ${texts})`,
  protocol:
    'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER, readerFeatures VARCHAR[], writerFeatures VARCHAR[])',
}

/** Bytes of one line: a schema of a thousand columns is far below. */
const longestLine = 64 * 1024 * 1024

/** Makes a Parquet file of the actions in a file of lines. @returns how many there are */
export async function actionsToParquet(ndjson: string, parquet: string): Promise<number> {
  const types = Object.entries(columns).map(([name, type]) => `${quoteText(name)}: ${quoteText(type)}`)
  const rows = `read_json(${quoteText(ndjson)}, format = 'newline_delimited', maximum_object_size = ${longestLine}, columns = {${types.join(', ')}})`
  return withDatabase(async connection => {
    const { rowsChanged } = await connection.run(
      `COPY (SELECT * FROM ${rows}) TO ${quoteText(parquet)} (FORMAT parquet)`,
    )
    return rowsChanged
  })
}

/** The rows of the parts of a checkpoint as lines of JSON, many at a time. Columns that we do not know come along. */
export async function readParquetActions(parts: readonly string[], take: (ndjson: string) => void): Promise<void> {
  await withDatabase(async connection => {
    for (const part of parts) {
      const rows = await connection.stream(
        `SELECT to_json(_row)::VARCHAR FROM read_parquet(${quoteText(part)}) AS _row`,
      )
      for await (const chunk of rows.yieldRows()) take(chunk.map(([json]) => String(json)).join('\n'))
    }
  })
}

async function withDatabase<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1', memory_limit: '1GB' })
  try {
    const connection = await instance.connect()
    try {
      return await work(connection)
    } finally {
      connection.closeSync()
    }
  } finally {
    instance.closeSync()
  }
}

/** Gives `work` a folder below `parent` and removes it afterwards. */
export async function inScratch<T>(parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(parent, 'checkpoint-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
