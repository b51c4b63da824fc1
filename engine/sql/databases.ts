/** The SQL instances of a process, one a namespace, so that no statement can name a Table of another. */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openSqlDatabase, type SqlDatabase, type SqlLimits } from '../replica/sql-database.ts'

export class SqlDatabases {
  readonly #directory: string
  readonly #limits: SqlLimits
  readonly #open = new Map<string, Promise<SqlDatabase>>()

  /** `directory` is a cache: its files may be deleted while no process uses them. */
  constructor(directory: string, limits: SqlLimits) {
    this.#directory = directory
    this.#limits = limits
  }

  /** The instance of a namespace, opened when first asked for. */
  of(namespace: string): Promise<SqlDatabase> {
    const known = this.#open.get(namespace)
    if (known !== undefined) return known
    const opening = mkdir(this.#directory, { recursive: true }).then(() =>
      openSqlDatabase(join(this.#directory, `${namespace}.duckdb`), this.#limits),
    )
    this.#open.set(namespace, opening)
    opening.catch(() => this.#open.delete(namespace))
    return opening
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#open.values())
    this.#open.clear()
    for (const database of opened) if (database.status === 'fulfilled') database.value.close()
  }
}
