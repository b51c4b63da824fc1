/** Checkpoints are Parquet files: rows of actions written and read by a DuckDB of their own, in a folder that goes away. */

import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { quoteText } from '../../sql/quote.ts'

const struct = (...fields: string[]) => `STRUCT(${fields.join(', ')})`
const texts = 'MAP(VARCHAR, VARCHAR)'
const vector = struct(
  'storageType VARCHAR',
  'pathOrInlineDv VARCHAR',
  '"offset" INTEGER',
  'sizeInBytes INTEGER',
  'cardinality BIGINT',
)
const file = [
  'path VARCHAR',
  'dataChange BOOLEAN',
  'size BIGINT',
  `partitionValues ${texts}`,
  `deletionVector ${vector}`,
]

/** The columns of a checkpoint (Delta protocol, Checkpoint Schema), and deletion vectors. */
const columns = {
  txn: struct('appId VARCHAR', 'version BIGINT', 'lastUpdated BIGINT'),
  add: struct(...file, 'modificationTime BIGINT', 'stats VARCHAR', `tags ${texts}`),
  remove: struct(...file, 'deletionTimestamp BIGINT', 'extendedFileMetadata BOOLEAN'),
  metaData: struct(
    'id VARCHAR',
    'name VARCHAR',
    'description VARCHAR',
    `format ${struct('provider VARCHAR', `options ${texts}`)}`,
    'schemaString VARCHAR',
    'partitionColumns VARCHAR[]',
    'createdTime BIGINT',
    `configuration ${texts}`,
  ),
  protocol: struct(
    'minReaderVersion INTEGER',
    'minWriterVersion INTEGER',
    'readerFeatures VARCHAR[]',
    'writerFeatures VARCHAR[]',
  ),
}

/** Bytes of one line: a schema of a thousand columns is far below. */
const longestLine = 64 * 1024 * 1024

/** Makes a Parquet file of the actions in a file of lines. @returns how many there are */
export async function actionsToParquet(ndjson: string, parquet: string): Promise<number> {
  const types = Object.entries(columns).map(([name, type]) => `${quoteText(name)}: ${quoteText(type)}`)
  const options = `format = 'newline_delimited', maximum_object_size = ${longestLine}, columns = {${types.join(', ')}}`
  const rows = `read_json(${quoteText(ndjson)}, ${options})`
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
