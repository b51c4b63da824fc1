/**
 * One message of a change log, format version 1.
 *
 * Headers: `Blasty-Record: <version> <schema number> <operation>`, `Blasty-Principal`. Bodies:
 * put: the whole row after the change · delete: the key columns · append: a JSON array of rows ·
 * mark: {count, hash} · schema: {number} · floor, expire: {revision} · erase: {id, keys} · guard, tick: {}.
 * A record of a later version or an unknown operation is never skipped: the reader stops.
 */

export const formatVersion = 1

/** Between the rows of an append, which all stand on one line: nobody needs to tell them apart without parsing them. */
export const rowSeparator = Buffer.from(',')

export type Operation =
  | 'put'
  | 'delete'
  | 'append'
  | 'mark'
  | 'schema'
  | 'floor'
  | 'expire'
  | 'erase'
  | 'guard'
  | 'tick'

const operations: ReadonlySet<string> = new Set<Operation>([
  'put',
  'delete',
  'append',
  'mark',
  'schema',
  'floor',
  'expire',
  'erase',
  'guard',
  'tick',
])

export type RecordHead = { readonly schema: number; readonly operation: Operation; readonly principal: string }

/** A record as a follower hands it on. `revision` is its sequence in the stream. */
export type LogRecord = RecordHead & {
  readonly revision: number
  /** The encoded key of a put or delete. */
  readonly key: Buffer | undefined
  readonly body: Uint8Array
}

/** A batch as it was committed: applied, announced and handed on whole. */
export type LogBatch = {
  /** The readable revision: the sequence of the batch's last record. */
  readonly revision: number
  /** Microseconds since 1970, by the log's server. */
  readonly commitTime: number
  readonly records: readonly LogRecord[]
}

/** Whether a batch asks that rows be erased. */
export const erases = ({ records }: LogBatch): boolean => records.some(({ operation }) => operation === 'erase')

const recordHeader = 'Blasty-Record'
const principalHeader = 'Blasty-Principal'

/** The headers of a record. A principal is percent-encoded, since a header cannot hold every character. */
export function headersOf(head: RecordHead): Record<string, string> {
  return {
    [recordHeader]: `${formatVersion} ${head.schema} ${head.operation}`,
    [principalHeader]: encodeURIComponent(head.principal),
  }
}

/** Reads the headers back, or says in a text what is wrong with them. */
export function headOf(get: (header: string) => string | undefined): RecordHead | string {
  const value = get(recordHeader)
  if (!value) return 'it has no record header'
  const [version, schema, operation] = value.split(' ')
  if (version !== String(formatVersion)) return `it has format version ${version}, this program reads ${formatVersion}`
  const number = Number(schema)
  if (!Number.isSafeInteger(number) || operation === undefined || !operations.has(operation))
    return `its header is "${value}"`
  const principal = get(principalHeader) ?? ''
  try {
    return { schema: number, operation: operation as Operation, principal: decodeURIComponent(principal) }
  } catch {
    return `its principal is "${principal}"`
  }
}

/** Where a message stands in an atomic batch (ADR-50). */
export type BatchPlace = { readonly batch: string; readonly sequence: number; readonly last: boolean }

/** Reads a message's place from its headers; undefined for one that was published alone. */
export function batchPlaceOf(get: (header: string) => string | undefined): BatchPlace | undefined {
  const batch = get('Nats-Batch-Id')
  if (!batch) return undefined
  return { batch, sequence: Number(get('Nats-Batch-Sequence')), last: Boolean(get('Nats-Batch-Commit')) }
}
