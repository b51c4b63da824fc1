/**
 * Writing to a change log: one call is one batch, stored whole or not at all, with conditions on rows and an optional
 * mutation id that makes a retry harmless.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { type OutgoingMessage, publish } from '../../backends/streams/publish.ts'
import { BlastyError, isBlastyError } from '../../base/errors.ts'
import type { KeyEncoder } from '../schema/key.ts'
import type { Row } from '../schema/schema.ts'
import { type Expectation, optimisticConditions, settleConditions } from './conditions.ts'
import type { Floor } from './control.ts'
import { eraseBody } from './erasures.ts'
import { groupCommit } from './group.ts'
import { type ChangeLog, logState } from './log.ts'
import { markerBody, payloadHash, readMarker } from './marker.ts'
import { checkRowSize, type PackedRows, RowPacker } from './packed.ts'
import { headersOf, type Operation, rowSeparator } from './record.ts'

/** Most rows of one atomic write: a batch of 1,000 messages less the mutation marker and the guard. */
export const maxBatchRows = 998
/** Most bytes of one atomic write. */
export const maxBatchBytes = 16 * 1024 * 1024

/** What must hold of the row before the change. */
export type Condition = { readonly kind: 'absent' } | { readonly kind: 'revision'; readonly revision: number }

/** One change of a keyed Table. For a delete, `row` holds the key columns. */
export type RowChange = { readonly op: 'put' | 'delete'; readonly row: Row; readonly condition?: Condition }

export type WriteOptions = {
  /** Who writes; recorded with each row. */
  readonly principal: string
  /** Number of the schema the rows were checked against. */
  readonly schema: number
  /** Makes the write idempotent; scoped to the principal. */
  readonly mutationId?: string
  /**
   * The floor that a replica had passed before the rows were looked up there whose revisions are expected: what lies below it need not be
   * looked up again.
   */
  readonly floor?: Floor
  readonly signal: AbortSignal
}

export type Committed = {
  /** The batch's revision: the one to wait for and to resume from. */
  readonly revision: number
  /** Revision of the first row; row i of a keyed Table has `first + i`. */
  readonly first: number
  readonly count: number
  /** True when the answer is that of an earlier request with the same mutation id. */
  readonly replayed: boolean
}

/** A row as it will lie in the log. */
export type Encoded = {
  readonly op: Operation
  readonly subject: string
  readonly key?: Buffer
  readonly body: Buffer
  readonly condition?: Condition
}

/** Looks up a row's revision in a replica that has reached `minRevision`; undefined when there is no such row. */
export type RevisionLookup = (key: Buffer, minRevision: number, signal: AbortSignal) => Promise<number | undefined>

export type LogWriter = {
  /** Throws REVISION_CONFLICT, ROW_EXISTS, MUTATION_ID_REUSED, LOG_FULL, OUTCOME_UNKNOWN, BACKEND_UNAVAILABLE, limits of size. */
  readonly write: (changes: readonly RowChange[], options: WriteOptions) => Promise<Committed>
  /**
   * Asks that rows be erased: deletes them, and leaves the record by which every store forgets what they ever were. Whoever asks again
   * with the same id is answered alike; the id is a token of letters, digits, `-` and `_`. Throws MUTATION_ID_REUSED for other keys.
   */
  readonly erase: (id: string, keys: readonly Row[], options: Omit<WriteOptions, 'mutationId'>) => Promise<Committed>
  /** Appends rows to a Table without a key. */
  readonly append: (rows: readonly Row[], options: WriteOptions) => Promise<Committed>
  /** Appends rows that are packed already, at least one. */
  readonly appendPacked: (packed: PackedRows, options: WriteOptions) => Promise<Committed>
  /** The greatest revision that a write through this writer was stored at, 0 at first: the log goes at least that far. */
  readonly committed: () => number
}

export type WriterOptions = {
  readonly encodeKey: KeyEncoder
  readonly lookup: RevisionLookup
  /** How long one publish may go unanswered, in milliseconds. */
  readonly publishTimeoutMillis?: number
}

const empty = Buffer.from('{}')
/** How often a publish that nobody answers for (no leader, a restart) is tried again: about ten seconds in all. */
const absentAttempts = 15
/** From this attempt on, after about a second, the log is asked for: a server that starts may not know its streams yet. */
const askAttempts = 7

export function logWriter(
  log: ChangeLog,
  { encodeKey, lookup, publishTimeoutMillis = 5_000 }: WriterOptions,
): LogWriter {
  const encode = (changes: readonly RowChange[]): Encoded[] => {
    const seen = new Map<string, number>()
    return changes.map((change, index) => {
      const key = encodeKey(change.row)
      const subject = log.subjects.key(key)
      const earlier = seen.get(subject)
      if (earlier !== undefined) {
        const problem = `has the same key as mutation ${earlier}; a batch changes a row once`
        throw new BlastyError('INVALID_ARGUMENT', { field: `mutations[${index}]`, problem })
      }
      seen.set(subject, index)
      const body = bodyOf(change.row, index)
      return change.condition === undefined
        ? { op: change.op, subject, key, body }
        : { op: change.op, subject, key, body, condition: change.condition }
    })
  }

  let committed = 0
  // Those who wait behind a write that found the log lost need not find it out one after another.
  let lost = false
  const commit = async (rows: readonly Encoded[], options: WriteOptions): Promise<Committed> => {
    checkSize(rows)
    const { principal, mutationId, signal } = options
    const hash = mutationId === undefined ? '' : payloadHash(rows)
    const marker = mutationId === undefined ? undefined : log.subjects.marker(principal, mutationId)
    let { expectations, floor } = optimisticConditions(rows, options.floor)
    let uncertain: Error | undefined
    const replay = async () => {
      const found = marker === undefined ? undefined : await readMarker(log, marker)
      if (found === undefined) return undefined
      if (found.hash !== hash) throw new BlastyError('MUTATION_ID_REUSED', { id: mutationId ?? '' })
      return { revision: found.revision, first: found.revision - found.messages + 1, count: found.rows, replayed: true }
    }

    /** Throws when the server says that there is no such log, or that it is of another epoch. */
    const checkLog = async () => {
      try {
        await logState(log)
        lost = false
      } catch (error) {
        // Where nobody answers, the attempts go on.
        lost = isBlastyError(error, 'LOG_LOST', 'EPOCH_CHANGED')
        if (lost) throw error
      }
    }

    const attemptOnce = async (attempt: number): Promise<Committed | undefined> => {
      const messages = messagesOf(log, rows, expectations, floor, options, hash)
      const outcome = await publish(log.streams.connection, messages, publishTimeoutMillis)
      switch (outcome.kind) {
        case 'stored':
          lost = false
          committed = Math.max(committed, outcome.seq)
          return {
            revision: outcome.seq,
            first: outcome.seq - messages.length + 1,
            count: rows.length,
            replayed: false,
          }
        case 'conflict': {
          const earlier = await replay()
          if (earlier) return earlier
          ;({ expectations, floor } = await settleConditions(log, rows, lookup, signal))
          return undefined
        }
        case 'unknown':
          uncertain = outcome.cause
          if (marker === undefined) throw unknownOutcome(outcome.cause)
          return untilAnswered(replay, signal)
        case 'full':
          throw new BlastyError('LOG_FULL', { table: log.table }, { cause: new Error(outcome.description) })
        case 'refused':
          throw new BlastyError('BACKEND_REFUSED', { backend: 'streams server', problem: outcome.description })
        case 'absent':
          if (attempt >= askAttempts || lost) await checkLog()
          if (attempt < absentAttempts) return undefined
          throw new BlastyError(
            'BACKEND_UNAVAILABLE',
            { backend: 'streams server', problem: outcome.cause.message },
            { cause: outcome.cause },
          )
        case 'busy':
          return undefined
      }
    }

    try {
      for (let attempt = 0; ; attempt++) {
        signal.throwIfAborted()
        const stored = await attemptOnce(attempt)
        if (stored) return stored
        await pause(attempt, signal)
      }
    } catch (error) {
      // What was given up on may still have been stored, whatever became of the attempts after it.
      if (uncertain && !isBlastyError(error, ...definite)) throw unknownOutcome(uncertain)
      if (signal.aborted && !isBlastyError(error)) throw notInTime(error)
      throw error
    }
  }

  const grouped = groupCommit(commit)
  const appendPacked = async ({ bodies, rows }: PackedRows, options: WriteOptions): Promise<Committed> => {
    const subject = log.subjects.rows
    const committed = await grouped(
      bodies.map(body => ({ op: 'append', subject, body })),
      options,
    )
    return { ...committed, count: rows }
  }
  return {
    write: (changes, options) => {
      if (changes.length === 0)
        throw new BlastyError('INVALID_ARGUMENT', { field: 'mutations', problem: 'must not be empty' })
      return grouped(encode(changes), options)
    },
    erase: (id, keys, options) => {
      const tombstones = encode(keys.map(row => ({ op: 'delete', row })))
      const body = eraseBody({ id, keys: tombstones.flatMap(({ key }) => key ?? []) })
      const record = { op: 'erase', subject: log.subjects.erase(id), body } as const
      return commit([...tombstones, record], { ...options, mutationId: `erase ${id}` })
    },
    append: (rows, options) => {
      if (rows.length === 0)
        throw new BlastyError('INVALID_ARGUMENT', { field: 'mutations', problem: 'must not be empty' })
      return appendPacked(packRows(rows), options)
    },
    appendPacked,
    committed: () => committed,
  }
}

/** Errors that hold for every attempt at a write, the unanswered one included: it would be refused on arrival too. */
const definite = ['ROW_EXISTS', 'REVISION_CONFLICT', 'MUTATION_ID_REUSED', 'OUTCOME_UNKNOWN'] as const

const notInTime = (cause: unknown) =>
  new BlastyError('BACKEND_UNAVAILABLE', { backend: 'streams server', problem: 'it took no write in time' }, { cause })

const unknownOutcome = (cause: Error) => new BlastyError('OUTCOME_UNKNOWN', { problem: cause.message }, { cause })

/** The rows, then the guard that holds the floor still, then the marker of the mutation id. */
function messagesOf(
  log: ChangeLog,
  rows: readonly Encoded[],
  expectations: readonly (Expectation | undefined)[],
  floor: number | undefined,
  { principal, schema, mutationId }: WriteOptions,
  hash: string,
): OutgoingMessage[] {
  const head = (operation: Operation) => headersOf({ schema, operation, principal })
  const heads = new Map<Operation, Record<string, string>>()
  const messages: OutgoingMessage[] = rows.map(({ op, subject, body }, index) => {
    const headers = heads.get(op) ?? head(op)
    heads.set(op, headers)
    const expect = expectations[index]
    return expect === undefined ? { subject, data: body, headers } : { subject, data: body, headers, expect }
  })
  if (floor !== undefined) {
    const subject = log.subjects.control('guard')
    messages.push({ subject, data: empty, headers: head('guard'), expect: floor, expectOn: log.subjects.floor })
  }
  if (mutationId !== undefined) {
    const subject = log.subjects.marker(principal, mutationId)
    const data = markerBody({ rows: rows.length, messages: messages.length + 1, hash })
    messages.push({ subject, data, headers: head('mark'), expect: 0 })
  }
  return messages
}

function bodyOf(row: Row, index: number): Buffer {
  const body = Buffer.from(JSON.stringify(row))
  checkRowSize(index, body.length)
  return body
}

function packRows(rows: readonly Row[]): PackedRows {
  const encoded = rows.map(bodyOf)
  const packer = new RowPacker(encoded.reduce((sum, body) => sum + body.length + rowSeparator.length, 0))
  for (const body of encoded) packer.copy(body, 0, body.length)
  return packer.finish()
}

function checkSize(rows: readonly Encoded[]): void {
  if (rows.length > maxBatchRows) {
    throw new BlastyError('BATCH_TOO_LARGE', { limit: maxBatchRows, unit: 'rows', actual: rows.length })
  }
  const bytes = rows.reduce((sum, row) => sum + row.body.length, 0)
  if (bytes > maxBatchBytes)
    throw new BlastyError('BATCH_TOO_LARGE', { limit: maxBatchBytes, unit: 'bytes', actual: bytes })
}

async function untilAnswered<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof BlastyError) || error.code !== 'BACKEND_UNAVAILABLE') throw error
      await pause(attempt, signal)
    }
  }
}

const pause = (attempt: number, signal: AbortSignal) =>
  sleep(Math.min(1000, 10 * 2 ** Math.min(attempt, 7)) * (0.5 + Math.random() / 2), undefined, { signal })
