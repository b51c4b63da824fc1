/** The end of a Table: retained with its mark, or deleted page by page. */

import type { Table } from '../../crds/types.gen.ts'
import { indexes, indexesByTable, namespaces, subscriptions, subscriptionsByTable } from '../../directory/kinds.ts'
import { type Blocked, type Context, keyFor, keyOf, waiting } from '../../operator/mod.ts'
import type { Backends } from '../backends.ts'
import { removeStream } from '../streams.ts'
import { claimBucket, removeBucketPage } from './bucket.ts'
import { isWritten } from './lost.ts'
import { observeParts, type TableTarget } from './observe.ts'

/** Longest wait before the next look at a deletion that is put off, in seconds. */
const lookAgainSeconds = 3_600

/** Index and Subscriptions that still use the Table. None holds it that goes itself, alone or with the namespace. */
export function heldBy(table: Table, { read }: Pick<Context, 'read'>): Blocked | undefined {
  const namespace = read(namespaces).get(keyFor(table.metadata.namespace))
  if (namespace === undefined || namespace.metadata.deletionTimestamp !== undefined) return undefined
  const key = keyOf(table)
  const users = [...read(indexes).by(indexesByTable, key), ...read(subscriptions).by(subscriptionsByTable, key)]
  const holding = users.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  if (holding.length === 0) return undefined
  const names = holding.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort()
  const list = names.length > 10 ? `${names.slice(0, 10).join(', ')} and ${names.length - 10} more` : names.join(', ')
  return waiting('InUse', `the Table is used by ${list}; delete them first`, { afterSeconds: 30 })
}

/** Removes what is the Table's own, the mark last. Undefined when the servers confirm that nothing is left. */
export async function deleteData(
  table: Table,
  target: TableTarget,
  backends: Backends,
  now: number,
): Promise<Blocked | undefined> {
  const { bucket, stream } = await observeParts({ ...target, adoption: { asked: false, namespaceUids: [] } }, backends)
  const ownStream = stream?.ownership.type === 'ours' ? stream.seen : undefined
  if (ownStream !== undefined && isWritten(table, ownStream.last)) {
    const put = postponed(table, now)
    if (put !== undefined) return put
  }
  if (ownStream !== undefined) await removeStream(backends.streams, target.stream)
  const { objects } = backends
  const halfMade = bucket?.seen.marked === 'no' && (await claimBucket(objects, target.bucket, target.mark))
  if (halfMade || bucket?.ownership.type === 'ours') {
    if (!(await removeBucketPage(objects, target.bucket, target.mark))) {
      return waiting('Deleting', `the objects of bucket ${target.bucket} are being removed`, { afterSeconds: 0 })
    }
  }
  const left = await observeParts(target, backends)
  if (left.stream?.ownership.type !== 'ours' && left.bucket?.ownership.type !== 'ours') return undefined
  return waiting('Deleting', 'the servers have not confirmed the deletion yet', { afterSeconds: 1 })
}

/** A Table that holds rows is deleted only after a time, in which its owner may think again. */
function postponed(table: Table, now: number): Blocked | undefined {
  const asked = Date.parse(table.metadata.deletionTimestamp ?? '')
  const due = asked + table.spec.deleteAfterSeconds * 1000
  if (!(due > now)) return undefined
  const at = new Date(due).toISOString().replace(/\.\d+Z$/, 'Z')
  const afterSeconds = Math.min(lookAgainSeconds, Math.ceil((due - now) / 1000))
  return waiting('DeletionPostponed', `the Table holds rows, which are deleted at ${at}`, { afterSeconds })
}
