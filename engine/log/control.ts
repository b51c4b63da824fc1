/** Records that the platform itself writes: a new schema, the floor before a purge, the end of rows that are too old. */

import { type PublishOutcome, publish } from '../../backends/streams/publish.ts'
import { BlastyError } from '../../base/errors.ts'
import { type ChangeLog, lastRecord } from './log.ts'
import { headersOf } from './record.ts'

const principal = 'system:blasty'
/** Who removes rows that are too old. */
export const retentionPrincipal = 'blasty:retention'
const timeoutMillis = 5_000
const announceAttempts = 5

/** Number of the last schema announced in the log, or 0. */
export async function announcedSchema(log: ChangeLog): Promise<number> {
  return (await lastRecord(log, log.subjects.control('schema')))?.head.schema ?? 0
}

/**
 * Announces schema `number`, unless the log holds the announcement of it or a newer one. Returns the revision of its record.
 * @throws REVISION_CONFLICT when others announce schemas all the while
 */
export async function announceSchema(log: ChangeLog, number: number): Promise<number> {
  const subject = log.subjects.control('schema')
  const data = Buffer.from(JSON.stringify({ number }))
  const headers = headersOf({ schema: number, operation: 'schema', principal })
  for (let attempt = 1; ; attempt++) {
    const last = await lastRecord(log, subject)
    if (last !== undefined && last.head.schema >= number) return last.revision
    const message = { subject, data, headers, expect: last?.revision ?? 0 }
    const outcome = await publish(log.streams.connection, [message], timeoutMillis)
    // Another announced one meanwhile, or a purge took the last announcement.
    if (outcome.kind !== 'conflict' || attempt === announceAttempts) return stored(log, outcome)
  }
}

/** Writes a record that says nothing, so that what was stored before it is settled. Returns its revision. */
export async function writeTick(log: ChangeLog): Promise<number> {
  const headers = headersOf({ schema: 0, operation: 'tick', principal })
  const message = { subject: log.subjects.control('tick'), data: Buffer.from('{}'), headers }
  return stored(log, await publish(log.streams.connection, [message], timeoutMillis))
}

/**
 * Declares that revisions up to `revision` may be purged; conditional writers look rows up in a replica from then on.
 * Fenced: fails with REVISION_CONFLICT when another raised the floor meanwhile. A floor is never lowered. Returns the revision of
 * its record.
 */
export async function raiseFloor(log: ChangeLog, revision: number): Promise<number> {
  const subject = log.subjects.floor
  const last = await lastRecord(log, subject)
  if (last !== undefined && revisionIn(last) >= revision) return last.revision
  const data = Buffer.from(JSON.stringify({ revision }))
  const headers = headersOf({ schema: last?.head.schema ?? 0, operation: 'floor', principal })
  return stored(
    log,
    await publish(log.streams.connection, [{ subject, data, headers, expect: last?.revision ?? 0 }], timeoutMillis),
  )
}

/** The revision below which the log may have been purged; 0 when nobody ever declared one. */
export async function declaredFloor(log: ChangeLog): Promise<number> {
  return (await readFloor(log))?.below ?? 0
}

/** The floor as it is declared; undefined when nobody ever declared one. */
export async function readFloor(log: ChangeLog): Promise<Floor | undefined> {
  const record = await lastRecord(log, log.subjects.floor)
  return record && { at: record.revision, below: revisionIn(record) }
}

/** Revisions up to `below` may have been purged, says the record at revision `at`. */
export type Floor = { readonly at: number; readonly below: number }

/**
 * Ends the rows of an append-only Table up to `revision`: from the record on, nobody has them. Repeating it changes nothing, and of two
 * that do so the greater counts. Returns the revision of the record that says it, or a greater one.
 * @throws REVISION_CONFLICT when another writes one at the same time, LOG_FULL, BACKEND_UNAVAILABLE
 */
export async function expireRows(log: ChangeLog, revision: number): Promise<number> {
  const subject = log.subjects.control('expire')
  const last = await lastRecord(log, subject)
  if (last !== undefined && revisionIn(last) >= revision) return last.revision
  const data = Buffer.from(JSON.stringify({ revision }))
  const headers = headersOf({ schema: 0, operation: 'expire', principal: retentionPrincipal })
  const message = { subject, data, headers, expect: last?.revision ?? 0 }
  return stored(log, await publish(log.streams.connection, [message], timeoutMillis))
}

/** The revision up to which the log says that rows are gone; 0 when it says so of none, or no longer. */
export async function loggedExpiry(log: ChangeLog): Promise<number> {
  const record = await lastRecord(log, log.subjects.control('expire'))
  return record === undefined ? 0 : revisionIn(record)
}

/** The revision that a `floor` or `expire` record names. */
export function revisionIn({ body }: { readonly body: Uint8Array }): number {
  const { revision } = JSON.parse(Buffer.from(body).toString()) as { revision?: unknown }
  return typeof revision === 'number' ? revision : 0
}

function stored(log: ChangeLog, outcome: PublishOutcome): number {
  switch (outcome.kind) {
    case 'stored':
      return outcome.seq
    case 'conflict':
      throw new BlastyError('REVISION_CONFLICT', { row: 0, problem: outcome.description })
    case 'full':
      throw new BlastyError('LOG_FULL', { table: log.table })
    case 'unknown':
      throw new BlastyError('OUTCOME_UNKNOWN', { problem: outcome.cause.message }, { cause: outcome.cause })
    case 'absent':
      throw new BlastyError(
        'BACKEND_UNAVAILABLE',
        { backend: 'streams server', problem: outcome.cause.message },
        { cause: outcome.cause },
      )
    case 'busy':
    case 'refused':
      throw new BlastyError('BACKEND_REFUSED', { backend: 'streams server', problem: outcome.description })
  }
}
