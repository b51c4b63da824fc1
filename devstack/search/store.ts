/** The SQLite file: its schema, its durability and its transactions. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'

const schema = `
create table if not exists meta (name text primary key, value text not null) without rowid;
create table if not exists tasks (
  uid integer primary key, batch integer, index_uid text, type text not null, status text not null,
  canceled_by integer, details text not null, error text,
  enqueued text not null, started text, finished text
);
create index if not exists tasks_by_index on tasks (index_uid, uid);
create index if not exists tasks_by_status on tasks (status, uid);
create table if not exists payloads (uid integer primary key, body text not null);
create table if not exists indexes (
  id integer primary key autoincrement, uid text not null unique, primary_key text,
  created text not null, updated text not null, settings text not null, fields text not null
);
create table if not exists keys (uid text primary key, body text not null) without rowid;
`

export type Row = Record<string, null | number | bigint | string | Uint8Array>

/** One connection, one writer: a second server on the same file fails to start. A commit is on the disk when `transaction` returns. */
export class Store {
  readonly db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(file: string) {
    this.db = new DatabaseSync(file)
    this.db.exec(`
      pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = full; pragma cache_size = -65536;
      pragma temp_store = memory; pragma wal_autocheckpoint = 4000; pragma foreign_keys = off;
    `)
    this.db.exec(schema)
  }

  /** A prepared statement, prepared once. */
  prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (!statement) {
      statement = this.db.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.prepare(sql).all(...values)
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.prepare(sql).get(...values)
  }

  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.prepare(sql).run(...values).changes)
  }

  transaction<T>(work: () => T): T {
    this.db.exec('begin immediate')
    try {
      const result = work()
      this.db.exec('commit')
      return result
    } catch (thrown) {
      if (this.db.isTransaction) this.db.exec('rollback')
      throw thrown
    }
  }

  /** Forgets the statements of dropped tables. */
  forget(prefix: string): void {
    for (const sql of this.#statements.keys()) if (sql.includes(prefix)) this.#statements.delete(sql)
  }

  /** Bytes of the file and bytes of it in use. */
  size(): { total: number; used: number } {
    const number = (pragma: string): number =>
      Number(Object.values(this.db.prepare(`pragma ${pragma}`).get() ?? {})[0] ?? 0)
    const page = number('page_size')
    return { total: number('page_count') * page, used: (number('page_count') - number('freelist_count')) * page }
  }

  close(): void {
    this.#statements.clear()
    this.db.close()
  }
}
