/**
 * The columns of one Table in DuckDB. Changes are staged and merged in ticks: the row versions that ended are deleted by
 * their revision, the new ones appended, the position moved, all in one transaction.
 */

import { BIGINT, type DuckDBConnection, DuckDBDataChunk, VARCHAR } from '@duckdb/node-api'
import type { LakeSnapshot } from '../lake/snapshot.ts'
import type { TableSchema } from '../schema/schema.ts'
import type { Schemas } from '../schema/schemas.ts'
import { quoteIdentifier, quoteText } from '../sql/quote.ts'
import type { ChangeBatch } from './change.ts'
import { positionsTable } from './sql-database.ts'
import { commitTimeColumn, createTable, insertStaged, revisionColumn, sqlType } from './sql-types.ts'

export type ColumnIdentity = { readonly name: string; readonly uid: string; readonly epoch: number }

type Staged = { readonly revision: number; readonly commitTime: number; readonly body: Uint8Array }

type Merge = {
  /** Revisions of versions that ended. */
  readonly deletes: readonly number[]
  /** Statements that move the new rows in. */
  readonly moved: readonly string[]
  readonly expired: number
  readonly revision: number
}

const chunkRows = 2048
/** No Table can bear this name. */
const staging = '_blasty_staged'
/** So few rows are told in the text of the merge itself, which costs less than to append them first and clear them away again. */
const maxToldRows = 64
const maxToldBytes = 256 * 1024

export class ColumnTable {
  readonly #connection: DuckDBConnection
  readonly #identity: ColumnIdentity
  #schema: TableSchema
  /** The revision that queries see. */
  #revision: number
  #stagedRevision: number
  #inserts = new Map<number, Staged>()
  #appends: Staged[] = []
  #deletes: number[] = []
  /** Rows of an append-only Table up to this revision are gone; 0 when none of those merged are to go. */
  #expired = 0
  #bytes = 0
  /** The staging table may hold rows of a tick that failed. */
  #unclean = false

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

  /** The last revision staged or merged. */
  get stagedRevision(): number {
    return this.#stagedRevision
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
    this.#schema = schema
  }

  /** Takes a snapshot in place of all rows. Nothing may be staged. */
  async load(snapshot: LakeSnapshot, schema: TableSchema): Promise<void> {
    const { name } = this.#identity
    const columns = schema.columns.map(column => `${quoteIdentifier(column.name)}::${sqlType(column)}`)
    await inTransaction(this.#connection, async () => {
      // Anew, since columns that were added later lie elsewhere.
      await this.#connection.run(`DROP TABLE ${quoteIdentifier(name)}; ${createTable(name, schema)}`)
      for await (const source of snapshot.files()) {
        const appender = await this.#connection.createAppender(name)
        try {
          for await (const chunk of snapshot.parquet.chunks(schema, source, [
            ...columns,
            revisionColumn,
            commitTimeColumn,
          ]))
            appender.appendDataChunk(chunk)
        } finally {
          appender.closeSync()
        }
      }
      await this.#connection.run(`UPDATE ${positionsTable} SET revision = $1, schema = $2 WHERE name = $3`, [
        snapshot.revision,
        schema.number,
        name,
      ])
    })
    this.#schema = schema
    this.#revision = snapshot.revision
    this.#stagedRevision = snapshot.revision
  }

  stage(batch: ChangeBatch): void {
    for (const { revision, body } of batch.appended ?? []) {
      this.#appends.push({ revision, commitTime: batch.commitTime, body })
    }
    this.#expired = Math.max(this.#expired, batch.expired ?? 0)
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
    const expired = this.#expired
    const bytes = this.#bytes
    this.#inserts = new Map()
    this.#appends = []
    this.#deletes = []
    this.#expired = 0
    this.#bytes = 0
    try {
      const rows = inserts.size > 0 ? [...inserts.values()] : appends
      const few = isFew(rows)
      const moved = few ? (rows.length === 0 ? [] : [this.#insert(told(rows))]) : await this.#append(rows)
      await this.#merge({ deletes, moved, expired, revision })
      if (!few) this.#unclean = false
      this.#revision = revision
    } catch (error) {
      await this.#connection.run('ROLLBACK').catch(() => {}) // There may be none to roll back.
      this.#expired = Math.max(this.#expired, expired)
      this.#restage({ inserts, appends, deletes, bytes })
      throw error
    }
  }

  close(): void {
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

  /**
   * Moves the position on from where this table believes it to be (anything else would merge twice or leave something out), deletes
   * the versions that ended and moves in the new ones. One transaction in one call: each answer of the database has to wait its
   * turn behind everything else that the process does.
   */
  async #merge({ deletes, moved, expired, revision }: Merge): Promise<void> {
    const { name } = this.#identity
    const here = `revision = ${this.#revision} AND schema = ${this.#schema.number}`
    const problem = quoteText(`columns of ${name} are not at ${this.#revision}`)
    const next = `CASE WHEN ${here} THEN ${revision} ELSE error(${problem}) END`
    const ended = `DELETE FROM ${quoteIdentifier(name)} WHERE ${revisionColumn} IN (${deletes.join(', ')})`
    const statements = [
      'BEGIN',
      `UPDATE ${positionsTable} SET revision = ${next} WHERE name = ${quoteText(name)}`,
      ...(deletes.length > 0 ? [ended] : []),
      ...moved,
      // Behind the insertion: who lags takes rows in that are gone already.
      ...(expired > 0 ? [`DELETE FROM ${quoteIdentifier(name)} WHERE ${revisionColumn} <= ${expired}`] : []),
      'COMMIT',
    ]
    await this.#connection.run(statements.join('; '))
  }

  /** Rows of `from` are objects of a keyed Table, or arrays of rows where there is no key. */
  #insert(from: string): string {
    return insertStaged(this.#identity.name, this.#schema, from, this.#schema.primaryKey.length === 0)
  }

  /** Puts rows into the staging table; returns the statements that move them in. */
  async #append(rows: readonly Staged[]): Promise<string[]> {
    if (this.#unclean) await this.#connection.run(`DELETE FROM ${staging}`)
    this.#unclean = true
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
        chunk.setColumnValues(2, part.map(textOf))
        appender.appendDataChunk(chunk)
      }
    } finally {
      // Closing flushes: left open, it would do so whenever its memory is collected, in the middle of another tick.
      appender.closeSync()
    }
    return [this.#insert(staging), `DELETE FROM ${staging}`]
  }
}

const isFew = (rows: readonly Staged[]): boolean =>
  rows.length <= maxToldRows && rows.reduce((sum, { body }) => sum + body.length, 0) <= maxToldBytes

/** Rows as a table of literals with the columns of the staging table. */
function told(rows: readonly Staged[]): string {
  const values = rows.map(row => `(${row.revision}::BIGINT, ${row.commitTime}::BIGINT, ${quoteText(textOf(row))})`)
  return `(VALUES ${values.join(', ')}) AS told(r, t, v)`
}

const textOf = ({ body }: Staged): string => Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()

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
