/** The marker that a write with a mutation id leaves as the last record of its batch. */

import { createHash } from 'node:crypto'
import { type ChangeLog, lastRecord } from './log.ts'
import type { Encoded } from './writer.ts'

export type Marker = {
  /** Rows the request held. */
  readonly rows: number
  /** Messages of the batch, the marker included. */
  readonly messages: number
  /** SHA-256 of what was asked: operations, keys, bodies and conditions. */
  readonly hash: string
}

export function markerBody(marker: Marker): Buffer {
  return Buffer.from(JSON.stringify(marker))
}

/** The marker on a subject and the revision of its batch; undefined when that mutation id has not been used. */
export async function readMarker(
  log: ChangeLog,
  subject: string,
): Promise<(Marker & { revision: number }) | undefined> {
  const record = await lastRecord(log, subject)
  if (record === undefined) return undefined
  const { rows, messages, hash } = JSON.parse(Buffer.from(record.body).toString()) as Marker
  return { rows, messages, hash, revision: record.revision }
}

export function payloadHash(rows: readonly Encoded[]): string {
  const hash = createHash('sha256')
  for (const { op, subject, body, condition } of rows) {
    hash.update(
      `${op} ${subject} ${body.length} ${condition?.kind ?? ''} ${condition?.kind === 'revision' ? condition.revision : ''}\n`,
    )
    hash.update(body)
  }
  return hash.digest('base64url')
}
