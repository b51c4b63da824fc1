/** The records in a log that ask for erasures: which rows are to be forgotten, until every store has. */

import { batchFate, type ChangeLog, lastRecord, subjectsIn } from './log.ts'

/** Most keys of one erasure. */
export const maxEraseKeys = 100

/** What an erasure may be called: it is a token of a subject and the name of an object. */
export const erasureId = /^[A-Za-z0-9_-]{1,64}$/

export type Erasure = {
  readonly id: string
  /** Encoded. */
  readonly keys: readonly Buffer[]
}

/** An erasure that the log still holds: some store has not forgotten yet. */
export type PendingErasure = Erasure & {
  /** The end of its batch. What the rows were up to there is to be forgotten, and what is written behind it stays. */
  readonly revision: number
  /** When it was asked for, in milliseconds since 1970. */
  readonly requestedAt: number
}

export function eraseBody({ id, keys }: Erasure): Buffer {
  return Buffer.from(JSON.stringify({ id, keys: keys.map(key => key.toString('base64url')) }))
}

/** The erasures that are not done yet, in the order of their revisions. */
export async function pendingErasures(log: ChangeLog): Promise<PendingErasure[]> {
  const pending: PendingErasure[] = []
  for (const subject of await subjectsIn(log, log.subjects.erasures)) {
    const record = await lastRecord(log, subject)
    // A batch that a dying server tore was never acknowledged, and one that is being stored is seen the next time.
    if (record === undefined || (await batchFate(log, record)) !== 'whole') continue
    // Its batch ends with the marker behind it.
    pending.push({ ...readBody(record.body), revision: record.revision + 1, requestedAt: record.storedAt })
  }
  return pending.sort((a, b) => a.revision - b.revision)
}

function readBody(body: Uint8Array): Erasure {
  const { id, keys } = JSON.parse(Buffer.from(body).toString()) as { id: string; keys: readonly string[] }
  return { id, keys: keys.map(key => Buffer.from(key, 'base64url')) }
}
