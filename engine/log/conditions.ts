/**
 * What to expect of each row's subject so that its condition holds.
 *
 * A purge takes the last record of a row out of the log, so "nothing on the subject" does not mean "no such row". Before
 * a purge the new floor is written to its own subject. So whenever a batch expects nothing on a row, it also expects
 * the floor it knows of; and below a floor a replica that has passed it is asked whether the row exists. The replica is
 * asked too when the last record of a row is of a batch that was torn: no reader sees it, though the server counts it.
 */

import { BlastyError } from '../../base/errors.ts'
import { type Floor, writeTick } from './control.ts'
import { batchFate, type ChangeLog, type LastRecord, lastRecord } from './log.ts'
import type { Encoded, RevisionLookup } from './writer.ts'

/** Sequence that must be the last of a row's subject; 0 = none. */
export type Expectation = number

export type Settled = {
  readonly expectations: readonly (Expectation | undefined)[]
  /** Sequence that must be the last of the floor's subject (0 = never purged), when some row is expected to be absent. */
  readonly floor: number | undefined
}

/**
 * What to expect without reading anything: an absent row to have left no trace in a log that was never purged, a
 * revision to be the last of its subject or, where `floor` is known and above it, purged. A refusal leads to `settleConditions`.
 */
export function optimisticConditions(rows: readonly Encoded[], floor: Floor = { at: 0, below: 0 }): Settled {
  const expectations = rows.map(({ op, condition }) => {
    if (op === 'erase') return 0
    if (condition === undefined) return undefined
    return condition.kind === 'absent' || condition.revision <= floor.below ? 0 : condition.revision
  })
  const needsFloor = rows.some(({ op }, index) => op !== 'erase' && expectations[index] === 0)
  return { expectations, floor: needsFloor ? floor.at : undefined }
}

/**
 * Reads the subjects of all conditional rows.
 * @throws ROW_EXISTS, REVISION_CONFLICT naming the first row whose condition does not hold; MUTATION_ID_REUSED for an erasure whose id
 * another has that is not done yet
 */
export async function settleConditions(
  log: ChangeLog,
  rows: readonly Encoded[],
  lookup: RevisionLookup,
  signal: AbortSignal,
): Promise<Settled> {
  // The floor first: if it moves afterwards, the batch that expects this one is refused and comes back here.
  const floor = (await lastRecord(log, log.subjects.floor))?.revision ?? 0
  const expectations: (Expectation | undefined)[] = []
  let needsFloor = false
  for (const [index, row] of rows.entries()) {
    const { condition, key } = row
    if (row.op === 'erase') {
      expectations.push(await freeForErasure(log, row))
      continue
    }
    if (condition === undefined || key === undefined) {
      expectations.push(undefined)
      continue
    }
    const last = await lastRecord(log, row.subject)
    const torn = last !== undefined && (await isTorn(log, last))
    const hidden = torn ? last.revision : last === undefined && floor > 0 ? floor : undefined
    const current = hidden === undefined ? last?.revision : await lookup(key, hidden, signal)
    const exists = current !== undefined && (torn || last?.head.operation !== 'delete')
    if (condition.kind === 'absent' && exists) throw new BlastyError('ROW_EXISTS', { row: index })
    if (condition.kind === 'revision' && current !== condition.revision)
      throw conflict(index, condition.revision, current)
    expectations.push(last?.revision ?? 0)
    needsFloor ||= last === undefined
  }
  return { expectations, floor: needsFloor ? floor : undefined }
}

/** What to expect on the subject of an erasure: nothing, or what a batch that was torn left there. */
async function freeForErasure(log: ChangeLog, { subject }: Encoded): Promise<Expectation> {
  const last = await lastRecord(log, subject)
  if (last === undefined) return 0
  if (await isTorn(log, last)) return last.revision
  const parsed = log.subjects.parse(subject)
  throw new BlastyError('MUTATION_ID_REUSED', { id: parsed?.kind === 'erase' ? parsed.id : subject })
}

async function isTorn(log: ChangeLog, record: LastRecord): Promise<boolean> {
  const fate = await batchFate(log, record)
  if (fate !== 'open') return fate === 'torn'
  // The server stores one batch after another: once this is answered, the batch before it is whole or never will be.
  await writeTick(log)
  return (await batchFate(log, record)) !== 'whole'
}

function conflict(row: number, expected: number, actual: number | undefined): BlastyError {
  const problem =
    actual === undefined ? `expected ${expected}, there is no such row` : `expected ${expected}, it is at ${actual}`
  return new BlastyError('REVISION_CONFLICT', { row, problem })
}
