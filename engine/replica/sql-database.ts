/** The DuckDB instance that holds the columns of one namespace's Tables, shut off from files, network and settings. */

import { rm } from 'node:fs/promises'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { lockdownStatements } from '../sql/lockdown.ts'

export type SqlLimits = {
  /** Such as `4GB`. */
  readonly memory: string
  readonly threads: number
}

export type SqlDatabase = {
  readonly connect: () => Promise<DuckDBConnection>
  readonly close: () => void
}

/** Tells which state of which Table is in the instance; not visible to queries. */
export const positionsTable = '_blasty_positions'

/** Opens the instance at `path`; a file that does not open is a broken cache and is made anew. */
export async function openSqlDatabase(path: string, limits: SqlLimits): Promise<SqlDatabase> {
  const instance = await open(path, limits).catch(async () => {
    await Promise.all([path, `${path}.wal`].map(file => rm(file, { force: true })))
    return open(path, limits)
  })
  return { connect: () => instance.connect(), close: () => instance.closeSync() }
}

async function open(path: string, limits: SqlLimits): Promise<DuckDBInstance> {
  const instance = await DuckDBInstance.create(path, {
    threads: String(limits.threads),
    memory_limit: limits.memory,
    temp_directory: `${path}.tmp`,
    preserve_insertion_order: 'false',
  })
  const connection = await instance.connect()
  try {
    await connection.run(
      `CREATE TABLE IF NOT EXISTS ${positionsTable} (name VARCHAR, uid VARCHAR, epoch INTEGER, schema INTEGER, revision BIGINT)`,
    )
    for (const statement of lockdownStatements) await connection.run(statement)
  } finally {
    connection.closeSync()
  }
  return instance
}
