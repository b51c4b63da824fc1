/** Whether a log or bucket that was written has vanished. Such a one is never silently remade. */

import type { Table } from '../../crds/types.gen.ts'
import { type Blocked, stalled } from '../../operator/mod.ts'
import type { TableObserved } from './observe.ts'

/** True when the log holds, or held, more than the announcements of schemas, of which each number has one. */
export function isWritten(table: Table, known: number): boolean {
  return known > (table.status?.schema?.number ?? 0)
}

export function lostLog(
  table: Table,
  { target, stream, bucket, schema, known, floor }: TableObserved,
): Blocked | undefined {
  const lost = (problem: string) =>
    stalled('LogLost', `${problem}; writes are refused until the log is restored or repaired`, {
      condition: 'LogReady',
    })
  const name = `stream ${target.stream}`
  if (bucket?.ownership.type === 'adoptable' && schema !== undefined && stream === undefined) {
    return lost(`the bucket of an earlier Table is there and its log is not: ${name} does not exist`)
  }
  const external = table.status?.external
  if (external === undefined || !isWritten(table, known)) return undefined
  if (stream === undefined) return lost(`${name} does not exist; revisions 1 to ${known} are at risk`)
  const { epoch, first, last } = stream.seen
  if (epoch < external.epoch) return lost(`${name} is of epoch ${epoch}, epoch ${external.epoch} was reached`)
  if (epoch > external.epoch) return undefined // repaired: revisions begin anew
  if (last < known) return lost(`${name} ends at revision ${last}; revisions ${last + 1} to ${known} are at risk`)
  // Before we purge, and when a repair begins a log anew, it says up to where: whatever else is missing was not removed by us.
  if (first > floor + 1)
    return lost(`${name} begins at revision ${first}; revisions ${floor + 1} to ${first - 1} are missing`)
  return undefined
}

export function lostBucket(table: Table, { target, stream, bucket, known }: TableObserved): Blocked | undefined {
  const lost = (problem: string) =>
    stalled('LakeLost', `${problem}; restore it, or repair the Table from what the log still holds`, {
      condition: 'BucketReady',
    })
  const name = `bucket ${target.bucket}`
  if (bucket !== undefined && bucket.seen.marked !== 'no') return undefined
  if (stream?.ownership.type === 'adoptable' && stream.seen.last > 0) {
    return lost(`the log of an earlier Table is there and its schemas are not: ${name} does not exist`)
  }
  if (table.status?.external === undefined || !isWritten(table, known)) return undefined
  return lost(
    bucket === undefined
      ? `${name} does not exist, with the schemas and blobs of revisions 1 to ${known}`
      : `${name} has lost its mark, and perhaps the schemas and blobs of revisions 1 to ${known}`,
  )
}

/** Whether what was archived is gone, as the archiver sees it. */
export function lostLake({ lake }: TableObserved): Blocked | undefined {
  if (lake?.lost !== true) return undefined
  const message = `${lake.error ?? 'the lake is gone'}; put its objects back, or repair the Table from what the log still holds`
  return stalled('LakeLost', message, { condition: 'LakeReady' })
}
