/**
 * The columns of one Table in DuckDB. Changes are staged and merged in ticks: the row versions that ended are deleted by
 * their revision, the new ones appended, the position moved, all in one transaction.
 */

import { BIGINT, type DuckDBConnection, DuckDBDataChunk, type DuckDBPreparedStatement, VARCHAR } from '@duckdb/node-api'
import { BlastyError } from '../../base/errors.ts'
import type { TableSchema } from '../schema/schema.ts'
import type { Schemas } from '../schema/schemas.ts'
import { quoteIdentifier, quoteText } from '../sql/quote.ts'
import type { ChangeBatch } from './change.ts'
import { positionsTable } from './sql-database.ts'
import { createTable, insertStaged, revisionColumn, sqlType } from './sql-types.ts'

export type ColumnIdentity = { readonly name: string; readonly uid: string; readonly epoch: number }

type Staged = { readonly revision: number; readonly commitTime: number; readonly body: Uint8Array }

const chunkRows = 2048
/** No Table can bear this name. */
const staging = '_blasty_staged'

export class ColumnTable {
  readonly #connection: DuckDBConnection
  readonly #identity: ColumnIdentity
  readonly #statements = new Map<string, DuckDBPreparedStatement>()
  #schema: TableSchema
  /** The revision that queries see. */
  #revision: number
  #stagedRevision: number
  #inserts = new Map<number, Staged>()
  #appends: Staged[] = []
  #deletes: number[] = []
  #bytes = 0

  /** `schema` is that of the columns as they are. */
  private constructor(connection: DuckDBConnection, identity: ColumnIdentity, schema: TableSchema, revision: number) {
    this.#connection = connection
    this.#identity = identity
    this.#schema = schema
    this.#revision = revision
    this.#stagedRevision = revision
  }

  /**
   * Takes over what the instance holds of this very Table and epoch; anything else of that name is dropped. Columns that are
   * ahead of the schemas known here are not taken back: the schemas are fetched.
   */
  static async open(connection: DuckDBConnection, identity: ColumnIdentity, schemas: Schemas): Promise<ColumnTable> {
    const { name, uid, epoch } = identity
    const found = await connection.runAndReadAll(
      `SELECT schema, revision FROM ${positionsTable} WHERE name = $1 AND uid = $2 AND epoch = $3`,
      [name, uid, epoch],
    )
    const [row] = found.getRowsJS()
    const schema = row === undefined ? schemas.current : await schemas.reach(Number(row[0]))
    let revision = 0
    if (row === undefined) {
      await inTransaction(connection, async () => {
        await connection.run(`DROP TABLE IF EXISTS ${quoteIdentifier(name)}`)
        await connection.run(`DELETE FROM ${positionsTable} WHERE name = $1`, [name])
        await connection.run(createTable(name, schema))
        await connection.run(`INSERT INTO ${positionsTable} VALUES ($1, $2, $3, $4, 0)`, [
          name,
          uid,
          epoch,
          schema.number,
        ])
      })
    } else {
      revision = Number(row[1])
    }
    await connection.run(`CREATE OR REPLACE TEMP TABLE ${staging} (r BIGINT, t BIGINT, v VARCHAR)`)
    const table = new ColumnTable(connection, identity, schema, revision)
    if (row !== undefined && Number(row[0]) !== schema.number) await table.adopt(schema)
    return table
  }

  get revision(): number {
    return this.#revision
  }

  /** Number of the schema that the columns have. */
  get schema(): number {
    return this.#schema.number
  }

  /** Bytes staged and not yet merged. */
  get stagedBytes(): number {
    return this.#bytes
  }

  get pending(): boolean {
    return this.#stagedRevision > this.#revision
  }

  /** Brings the table to a newer schema: new columns are added as NULL, retired ones dropped. Merge what is staged first. */
  async adopt(schema: TableSchema): Promise<void> {
    const { name } = this.#identity
    const described = await this.#connection.runAndReadAll(`SELECT name FROM pragma_table_info(${quoteText(name)})`)
    const present = new Set(described.getRowsJS().map(([column]) => String(column)))
    const wanted = new Set(schema.columns.map(column => column.name))
    await inTransaction(this.#connection, async () => {
      for (const column of schema.columns) {
        if (present.has(column.name)) continue
        await this.#connection.run(
          `ALTER TABLE ${quoteIdentifier(name)} ADD COLUMN ${quoteIdentifier(column.name)} ${sqlType(column)}`,
        )
      }
      for (const column of present) {
        if (wanted.has(column) || column.startsWith('_')) continue
        await this.#connection.run(`ALTER TABLE ${quoteIdentifier(name)} DROP COLUMN ${quoteIdentifier(column)}`)
      }
      await this.#connection.run(`UPDATE ${positionsTable} SET schema = $1 WHERE name = $2`, [schema.number, name])
    })
    for (const statement of this.#statements.values()) statement.destroySync()
    this.#statements.clear()
    this.#schema = schema
  }

  stage(batch: ChangeBatch): void {
    for (const { revision, body } of batch.appended ?? []) {
      this.#appends.push({ revision, commitTime: batch.commitTime, body })
    }
    if (batch.appended === undefined) {
      for (const { old, new: next } of batch.changes) {
        if (old !== undefined && !this.#inserts.delete(old.revision)) this.#deletes.push(old.revision)
        if (next !== undefined) this.#inserts.set(next.revision, next)
      }
    }
    this.#bytes += batch.bytes
    this.#stagedRevision = batch.revision
  }

  /** Merges what is staged. When it throws, nothing was merged and everything is still staged. */
  async tick(): Promise<void> {
    const revision = this.#stagedRevision
    const inserts = this.#inserts
    const appends = this.#appends
    const deletes = this.#deletes
    const bytes = this.#bytes
    this.#inserts = new Map()
    this.#appends = []
    this.#deletes = []
    this.#bytes = 0
    try {
      await inTransaction(this.#connection, async () => {
        if (deletes.length > 0) await this.#delete(deletes)
        if (inserts.size > 0) await this.#insert([...inserts.values()], false)
        if (appends.length > 0) await this.#insert(appends, true)
        await this.#advance(revision)
      })
      this.#revision = revision
    } catch (error) {
      this.#restage({ inserts, appends, deletes, bytes })
      throw error
    }
  }

  close(): void {
    for (const statement of this.#statements.values()) statement.destroySync()
    this.#connection.closeSync()
  }

  /** Puts what a failed tick held in front of what came since. */
  #restage(failed: { inserts: Map<number, Staged>; appends: Staged[]; deletes: number[]; bytes: number }): void {
    const since = this.#deletes
    this.#deletes = failed.deletes
    for (const revision of since) {
      if (!failed.inserts.delete(revision)) this.#deletes.push(revision)
    }
    for (const [revision, row] of this.#inserts) failed.inserts.set(revision, row)
    this.#inserts = failed.inserts
    this.#appends = [...failed.appends, ...this.#appends]
    this.#bytes += failed.bytes
  }

  /** Moves the position on from where this table believes it to be; anything else would merge twice or leave something out. */
  async #advance(revision: number): Promise<void> {
    const { name } = this.#identity
    const moved = await this.#run(
      `UPDATE ${positionsTable} SET revision = $1 WHERE name = $2 AND revision = $3 AND schema = $4`,
      [BigInt(revision), name, BigInt(this.#revision), this.#schema.number],
    )
    if (moved !== 1) throw new BlastyError('INTERNAL', { id: `columns of ${name} are not at ${this.#revision}` })
  }

  async #delete(revisions: readonly number[]): Promise<void> {
    const list = revisions.join(', ')
    await this.#connection.run(
      `DELETE FROM ${quoteIdentifier(this.#identity.name)} WHERE ${revisionColumn} IN (SELECT unnest([${list}]::BIGINT[]))`,
    )
  }

  async #insert(rows: readonly Staged[], many: boolean): Promise<void> {
    const appender = await this.#connection.createAppender(staging, 'main', 'temp')
    try {
      for (let from = 0; from < rows.length; from += chunkRows) {
        const part = rows.slice(from, from + chunkRows)
        const chunk = DuckDBDataChunk.create([BIGINT, BIGINT, VARCHAR], part.length)
        chunk.setColumnValues(
          0,
          part.map(row => BigInt(row.revision)),
        )
        chunk.setColumnValues(
          1,
          part.map(row => BigInt(row.commitTime)),
        )
        chunk.setColumnValues(
          2,
          part.map(({ body }) => Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()),
        )
        appender.appendDataChunk(chunk)
      }
    } finally {
      // Closing flushes: left open, it would do so whenever its memory is collected, outside of this transaction.
      appender.closeSync()
    }
    await this.#run(insertStaged(this.#identity.name, this.#schema, staging, many))
    await this.#run(`DELETE FROM ${staging}`)
  }

  /** Returns how many rows changed. */
  async #run(sql: string, values: (bigint | number | string)[] = []): Promise<number> {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = await this.#connection.prepare(sql)
      this.#statements.set(sql, statement)
    }
    if (values.length > 0) statement.bind(values)
    return (await statement.run()).rowsChanged
  }
}

async function inTransaction(connection: DuckDBConnection, work: () => Promise<void>): Promise<void> {
  await connection.run('BEGIN')
  try {
    await work()
    await connection.run('COMMIT')
  } catch (error) {
    await connection.run('ROLLBACK').catch(() => {})
    throw error
  }
}
