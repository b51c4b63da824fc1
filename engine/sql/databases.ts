/** The SQL instances of a process, one a namespace, so that no statement can name a Table of another. */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { BlastyError } from '../../base/errors.ts'
import { openSqlDatabase, type SqlDatabase, type SqlLimits } from '../replica/sql-database.ts'
import { Admission, type AdmissionLimits } from './admission.ts'

/** A label of RFC 1123, as Kubernetes asks of a namespace; it becomes the name of a file. */
const namespaceName = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

const admissionLimits: AdmissionLimits = { running: 8, waiting: 64 }

export class SqlDatabases {
  readonly #directory: string
  readonly #limits: SqlLimits
  readonly #open = new Map<string, Promise<SqlDatabase>>()
  readonly #admissions = new Map<string, Admission>()

  /** `directory` is a cache: its files may be deleted while no process uses them. */
  constructor(directory: string, limits: SqlLimits) {
    this.#directory = directory
    this.#limits = limits
  }

  /** The queries of a namespace, of which so many may run. */
  admission(namespace: string): Admission {
    const known = this.#admissions.get(namespace)
    if (known !== undefined) return known
    const admission = new Admission(admissionLimits)
    this.#admissions.set(namespace, admission)
    return admission
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
    for (const database of opened) if (database.status === 'fulfilled') database.value.close()
  }
}
