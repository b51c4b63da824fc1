/** Tokens between their protobuf form and revisions. */

import { BlastyError } from '../../base/errors.ts'
import type { Table } from '../../engine/table.ts'

export type Position = { readonly tableUid: string; readonly epoch: number; readonly revision: bigint }
export type TokenMessage = { readonly tables: readonly Position[] } | undefined

export function positionOf({ descriptor }: Table, revision: number): Position {
  return { tableUid: descriptor.uid, epoch: descriptor.epoch, revision: BigInt(revision) }
}

export function tokenOf(table: Table, revision: number): { readonly tables: Position[] } {
  return { tables: [positionOf(table, revision)] }
}

/** The revision that a token asks of a Table; 0 when it says nothing of it. Throws EPOCH_CHANGED. */
export function wantedRevision(token: TokenMessage, table: Table): number {
  let wanted = 0
  for (const position of token?.tables ?? []) {
    if (position.tableUid === table.descriptor.uid) wanted = Math.max(wanted, revisionAt(position, table))
  }
  return wanted
}

/** The revision of a position on a Table. Throws INVALID_ARGUMENT for another Table's, EPOCH_CHANGED. */
export function revisionAt({ tableUid, epoch, revision }: Position, table: Table): number {
  const { uid, epoch: actual } = table.descriptor
  if (tableUid !== uid)
    throw new BlastyError('INVALID_ARGUMENT', { field: 'table_uid', problem: 'the position is of another table' })
  if (epoch !== actual) throw new BlastyError('EPOCH_CHANGED', { table: table.log.table, actual, given: epoch })
  if (revision > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new BlastyError('REVISION_NOT_REACHED', { revision, table: table.log.table, last: 'smaller' })
  }
  return Number(revision)
}
