/**
 * Brings rows back as an earlier version of the lake had them, by ordinary writes: what differs is put, what was not there is deleted, and
 * what is as it was is left alone. So a restore that broke off is begun again and does the rest, and every follower sees it as changes.
 * Appended rows cannot be taken back: they are appended to another Table, under mutation ids that are the same when it is begun again.
 */

import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { BlastyError } from '../../base/errors.ts'
import { blobColumns } from '../blobs/check.ts'
import { type LakeSnapshot, openSnapshot } from '../lake/snapshot.ts'
import { logState } from '../log/log.ts'
import type { RowChange } from '../log/writer.ts'
import type { TableReplica } from '../replica/replica.ts'
import type { Row, TableSchema } from '../schema/schema.ts'
import type { Table } from '../table.ts'
import { type TableParts, workUntil } from '../until.ts'
import { digester, RowDigests } from './row-digests.ts'

export type RestoreOptions = {
  /** Where the rows come from. */
  readonly from: Table
  /** Version of its lake. */
  readonly version: number
  /** The Table that gets them: the same one, or one of the same columns and key. */
  readonly into: Table
  /** Scratch folder: it takes some hundred bytes a row. */
  readonly directory: string
  readonly signal: AbortSignal
  /** Told after each batch. */
  readonly onProgress?: (restored: Restored) => void
}

export type Restored = {
  readonly put: number
  readonly deleted: number
  /** Rows that were as they are to be. */
  readonly same: number
  /** Of the last batch; 0 when nothing had to be written. */
  readonly revision: number
}

const principal = 'system:restore'
/** Bounds of a batch. */
const batchRows = 500
const batchBytes = 4 * 1024 * 1024

/** @throws UNSUPPORTED, INVALID_ARGUMENT when the Tables do not fit; LAKE_VERSION_EXPIRED, LAKE_CORRUPT; what a write throws; the signal's reason */
export function restore(options: RestoreOptions): Promise<Restored> {
  return workUntil(options.from, options.signal, parts => restoreFrom(parts, options))
}

async function restoreFrom(parts: TableParts, options: RestoreOptions): Promise<Restored> {
  const { from, into, version, directory, signal } = options
  checkFit(from, into)
  const snapshot = await openSnapshot(parts, directory, version)
  if (snapshot === undefined) throw new BlastyError('INVALID_ARGUMENT', { field: 'table', problem: 'has no lake' })
  if (!from.keyed) {
    try {
      return await appendAll(snapshot, options)
    } finally {
      await snapshot.close()
    }
  }
  const wanted = new RowDigests(join(directory, `wanted-${randomUUID()}`))
  try {
    const { last } = await logState(into.log)
    const replica = await into.reached(last, 'rows', signal)
    const writing = new Writing(options)
    const digest = digester(from.schemas.current)
    const { codec } = from.schemas
    for await (const source of snapshot.files()) {
      for await (const part of snapshot.parquet.read(from.schemas.current, source)) {
        signal.throwIfAborted()
        const rows = part.map(({ body, revision }) => {
          const row = codec.decode(Buffer.from(body))
          return { key: into.schemas.encodeKey(row), row, bytes: body.length, digest: digest(revision, row) }
        })
        wanted.together(() => {
          for (const one of rows) wanted.put(one.key, one.digest)
        })
        for (const { key, row, bytes, digest: put } of rows) {
          const now = replica.get(key)
          if (now !== undefined && digest(0, now.row(codec)).digest.equals(put.digest)) writing.same()
          else await writing.add({ op: 'put', row: given(row) }, bytes)
        }
      }
    }
    await deleteOthers(replica, wanted, writing, options)
    return await writing.end()
  } finally {
    await wanted.close()
    await snapshot.close()
  }
}

/** Appends every row of the version, in the same batches whenever it is done. */
async function appendAll(snapshot: LakeSnapshot, options: RestoreOptions): Promise<Restored> {
  const { from, into, version, signal, onProgress } = options
  const { codec } = from.schemas
  let done: Restored = { put: 0, deleted: 0, same: 0, revision: 0 }
  let rows: Row[] = []
  let bytes = 0
  let batches = 0
  const flush = async () => {
    await into.beforeWrite()
    const mutationId = `restore-${from.descriptor.uid}-${version}#${++batches}`
    const schema = into.schemas.current.number
    const { revision, replayed } = await into.writer.append(rows, { principal, schema, mutationId, signal })
    const { put, same } = done
    done = replayed ? { ...done, same: same + rows.length, revision } : { ...done, put: put + rows.length, revision }
    rows = []
    bytes = 0
    onProgress?.(done)
  }
  for await (const source of snapshot.files()) {
    for await (const part of snapshot.parquet.read(from.schemas.current, source)) {
      for (const { body } of part) {
        signal.throwIfAborted()
        rows.push(given(codec.decode(Buffer.from(body))))
        bytes += body.length
        if (rows.length >= batchRows || bytes >= batchBytes) await flush()
      }
    }
  }
  if (rows.length > 0) await flush()
  return done
}

/** Deletes what the version did not have. */
async function deleteOthers(
  replica: TableReplica,
  wanted: RowDigests,
  writing: Writing,
  { into, signal }: RestoreOptions,
): Promise<void> {
  const rows = replica.snapshot()
  try {
    for (const { key } of rows.rows()) {
      signal.throwIfAborted()
      if (wanted.get(key) === undefined)
        await writing.add({ op: 'delete', row: into.schemas.decodeKey(key) }, key.length)
    }
  } finally {
    rows.close()
  }
}

/** Changes on their way into the log, batch by batch. A batch whose answer is lost is sent again and written once. */
class Writing {
  readonly #options: RestoreOptions
  /** Of this restore alone: begun again it has other batches. */
  readonly #id = randomUUID()
  #changes: RowChange[] = []
  #bytes = 0
  #batches = 0
  #done: Restored = { put: 0, deleted: 0, same: 0, revision: 0 }

  constructor(options: RestoreOptions) {
    this.#options = options
  }

  same(): void {
    this.#done = { ...this.#done, same: this.#done.same + 1 }
  }

  async add(change: RowChange, bytes: number): Promise<void> {
    this.#changes.push(change)
    this.#bytes += bytes
    if (this.#changes.length >= batchRows || this.#bytes >= batchBytes) await this.#flush()
  }

  async end(): Promise<Restored> {
    if (this.#changes.length > 0) await this.#flush()
    return this.#done
  }

  async #flush(): Promise<void> {
    const { into, signal, onProgress } = this.#options
    const changes = this.#changes
    await into.beforeWrite()
    const { number: schema } = into.schemas.current
    const mutationId = `restore-${this.#id}#${++this.#batches}`
    const { revision } = await into.writer.write(changes, { principal, schema, mutationId, signal })
    const put = changes.filter(({ op }) => op === 'put').length
    const { put: before, deleted, same } = this.#done
    this.#done = { put: before + put, deleted: deleted + changes.length - put, same, revision }
    this.#changes = []
    this.#bytes = 0
    onProgress?.(this.#done)
  }
}

/** The row as a writer gives it: what is null is left out. */
const given = (row: Row): Row => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null))

function checkFit(from: Table, into: Table): void {
  if (from === into) {
    if (from.keyed) return
    const instead = 'appended rows cannot be taken back; append them to another Table'
    throw new BlastyError('UNSUPPORTED', { what: 'restoring an append-only Table in place', instead })
  }
  const form = ({ columns, primaryKey }: TableSchema) =>
    JSON.stringify([columns.map(({ field: _, ...column }) => column), primaryKey])
  const refuse = (problem: string) => new BlastyError('INVALID_ARGUMENT', { field: 'into', problem })
  if (form(from.schemas.current) !== form(into.schemas.current)) throw refuse('has other columns or another key')
  // Content lies in the bucket of its Table.
  if (blobColumns(from.schemas.current).length > 0)
    throw refuse('must be the Table itself when it has columns of type Blob')
}
