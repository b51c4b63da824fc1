/** The SQL instances of a process, one a namespace, so that no statement can name a Table of another. */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { BlastyError } from '../../base/errors.ts'
import { openSqlDatabase, type SqlDatabase, type SqlLimits } from '../replica/sql-database.ts'
import { bytesOf, MemoryWatch } from './memory-watch.ts'
import { NamespaceTurns } from './turns.ts'

/** A label of RFC 1123, as Kubernetes asks of a namespace; it becomes the name of a file. */
const namespaceName = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

const defaultStatements = 2

export class SqlDatabases {
  readonly #directory: string
  readonly #limits: SqlLimits
  readonly #open = new Map<string, Promise<SqlDatabase>>()
  readonly #turns: NamespaceTurns
  /** The memory of all queries of the process: half as much again as DuckDB may count, and what goes on beside. */
  readonly memory: MemoryWatch

  /** `directory` is a cache: its files may be deleted while no process uses them. */
  constructor(directory: string, limits: SqlLimits) {
    this.#directory = directory
    this.#limits = limits
    this.#turns = new NamespaceTurns(limits.statements ?? defaultStatements)
    this.memory = new MemoryWatch({ maxGrowth: 1.5 * bytesOf(limits.memory) + 256e6 })
  }

  /**
   * Waits for a turn to run a statement in a namespace, which has at most half of all turns; call what it returns afterwards.
   * @throws QUERY_LIMIT at once when too many of the namespace wait already; the signal's reason
   */
  admit(namespace: string, signal: AbortSignal): Promise<() => void> {
    return this.#turns.enter(namespace, signal)
  }

  /** Statements that run. */
  get running(): number {
    return this.#turns.running
  }

  /** The instance of a namespace, opened when first asked for. Throws INVALID_ARGUMENT for a name that no namespace has. */
  async of(namespace: string): Promise<SqlDatabase> {
    if (!namespaceName.test(namespace))
      throw new BlastyError('INVALID_ARGUMENT', { field: 'namespace', problem: 'is not a name of a namespace' })
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
    for (const database of opened) if (database.status === 'fulfilled') await database.value.close()
  }
}
