/**
 * What keeps a row from naming a blob that is not there, or that collection is about to take: before a row is written, each
 * blob it names must have been stored not long ago, or be one that the row names already (docs/decisions/0022).
 */

import { BlastyError, type FieldViolation, isBlastyError } from '../../base/errors.ts'
import { unlessAborted } from '../../base/unless-aborted.ts'
import type { Json, Row, TableSchema } from '../schema/schema.ts'
import { type BlobPlace, type BlobRef, freshMillis, isSame, type Stored, storedOf } from './content.ts'

/** A row about to be written, and where it stands in the request, such as `mutations[2]`. */
export type NewRow = { readonly row: Row; readonly place: string }

/** The rows with the keys of those given, as they are now or at any moment since the call. */
export type CurrentRows = (rows: readonly Row[], signal: AbortSignal) => Promise<readonly (Row | undefined)[]>

/** Different blobs in one write. */
const maxBlobs = 1000
/** Questions to the store at a time. */
const asking = 16
const maxViolations = 20
const cachedBlobs = 10_000
const defaultCacheMillis = 60_000
/** How long a check may take: its answer is of when it was asked for. */
const patienceMillis = 60_000

type Use = { readonly blob: BlobRef; readonly row: Row; readonly field: string }
/** Why a blob may not be named; an error when the store could not tell. */
type Problem = string | Error

export class BlobCheck {
  readonly #place: BlobPlace
  readonly #current: CurrentRows
  readonly #cacheMillis: number
  /** Blobs known to be fresh, and until when; in the order of asking. */
  readonly #fresh = new Map<string, number>()

  constructor(place: BlobPlace, current: CurrentRows, cacheMillis = defaultCacheMillis) {
    this.#place = place
    this.#current = current
    this.#cacheMillis = cacheMillis
  }

  /**
   * Resolves when the rows may be written within the next `freshMillis`.
   * @throws BLOB_NOT_STORED with a violation a field; BATCH_TOO_LARGE; BACKEND_UNAVAILABLE; the signal's reason
   */
  async check(schema: TableSchema, rows: readonly NewRow[], signal: AbortSignal): Promise<void> {
    const columns = blobColumns(schema)
    if (columns.length === 0) return
    const uses = rows.flatMap(({ row, place }) => usesOf(row, place, columns))
    if (uses.length === 0) return
    const now = this.#place.now ?? Date.now
    const began = now()
    await this.#checkUses(uses, columns, signal)
    // A process that was stopped for half a day goes on here before any timer tells it.
    if (now() - began > patienceMillis) throw tooLate()
  }

  async #checkUses(uses: readonly Use[], columns: readonly string[], signal: AbortSignal): Promise<void> {
    const problems = await this.#problems(uses, signal)
    if (problems.size === 0) return
    const left = await this.#notNamed(
      uses.filter(({ blob }) => problems.has(nameOf(blob))),
      columns,
      signal,
    )
    const found = left.map(({ field, blob }) => ({ field, problem: problems.get(nameOf(blob)) }))
    for (const { problem } of found) if (problem instanceof Error) throw problem
    if (found.length > 0) throw notStored(this.#place.table, found)
  }

  async #problems(uses: readonly Use[], signal: AbortSignal): Promise<Map<string, Problem>> {
    const now = performance.now()
    const unknown = new Map<string, BlobRef>()
    for (const { blob } of uses) {
      const name = nameOf(blob)
      if (!((this.#fresh.get(name) ?? 0) > now)) unknown.set(name, blob)
    }
    if (unknown.size > maxBlobs) {
      throw new BlastyError('BATCH_TOO_LARGE', { limit: maxBlobs, unit: 'different blobs', actual: unknown.size })
    }
    const problems = new Map<string, Problem>()
    const left = unknown[Symbol.iterator]()
    const ask = async () => {
      for (const [name, blob] of left) {
        const problem = await unlessAborted(this.#problemOf(name, blob), signal)
        if (problem !== undefined) problems.set(name, problem)
      }
    }
    await Promise.all(Array.from({ length: Math.min(asking, unknown.size) }, ask))
    return problems
  }

  async #problemOf(name: string, blob: BlobRef): Promise<Problem | undefined> {
    // Taken before the question, which the store refuses when this clock is far from its own.
    const now = (this.#place.now ?? Date.now)()
    let stored: readonly Stored[]
    try {
      stored = await storedOf(this.#place, blob.sha256)
    } catch (error) {
      if (isBlastyError(error, 'BACKEND_UNAVAILABLE')) return error
      throw error
    }
    const newest = stored.find(other => isSame(other, blob))
    if (newest === undefined) return unlike(stored, blob)
    const left = freshMillis - (now - newest.modified)
    if (!(left > 0)) return `was stored more than ${freshMillis / 3_600_000} hours ago`
    this.#remember(name, Math.min(left, this.#cacheMillis))
    return undefined
  }

  /** Those uses whose row does not name the blob already. */
  async #notNamed(uses: readonly Use[], columns: readonly string[], signal: AbortSignal): Promise<readonly Use[]> {
    const rows = [...new Set(uses.map(({ row }) => row))]
    const current = await unlessAborted(this.#current(rows, signal), signal)
    const named = new Map(rows.map((row, index) => [row, blobsOf(current[index] ?? {}, columns)]))
    return uses.filter(({ row, blob }) => !(named.get(row) ?? []).some(other => isSame(other.blob, blob)))
  }

  #remember(name: string, millis: number): void {
    this.#fresh.delete(name)
    if (this.#fresh.size >= cachedBlobs) {
      const oldest = this.#fresh.keys().next()
      if (!oldest.done) this.#fresh.delete(oldest.value)
    }
    this.#fresh.set(name, performance.now() + millis)
  }
}

const nameOf = ({ sha256, size, type }: BlobRef): string => `${sha256} ${size} ${type}`

function unlike(stored: readonly Stored[], { type }: BlobRef): string {
  const [other] = stored
  if (other === undefined) return 'is not stored'
  return stored.some(found => found.type === type)
    ? `is stored with ${other.size} bytes`
    : `is stored as ${[...new Set(stored.map(found => found.type))].join(', ')}`
}

/** Names of the columns whose values are blobs. */
export const blobColumns = ({ columns }: TableSchema): string[] =>
  columns.filter(({ type }) => type === 'Blob').map(({ name }) => name)

/** The blobs that a row in canonical form names, each with its column. */
export function blobsOf(row: Row, columns: readonly string[]): { readonly blob: BlobRef; readonly column: string }[] {
  return columns.flatMap(column => {
    const value = row[column]
    return isBlob(value) ? [{ blob: value, column }] : []
  })
}

const isBlob = (value: Json | undefined): value is BlobRef =>
  typeof value === 'object' && value !== null && 'sha256' in value

const usesOf = (row: Row, place: string, columns: readonly string[]): Use[] =>
  blobsOf(row, columns).map(({ blob, column }) => ({ blob, row, field: `${place}.${column}` }))

function notStored(table: string, found: readonly { readonly field: string; readonly problem: Problem | undefined }[]) {
  const violations: FieldViolation[] = found
    .slice(0, maxViolations)
    .map(({ field, problem }) => ({ field, description: String(problem) }))
  const problems = violations.map(({ field, description }) => `${field} ${description}`).join('; ')
  return new BlastyError('BLOB_NOT_STORED', { table, problems }, { violations })
}

const tooLate = () =>
  new BlastyError('BACKEND_UNAVAILABLE', {
    backend: 'object store',
    problem: 'it took too long to say whether the blobs are there; nothing was written',
  })
