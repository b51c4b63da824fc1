/**
 * Whether anybody ever wrote to a Table's log, as a document in its bucket that is put before the first row: a log that
 * vanishes may be made anew only if nobody did.
 */

import type { ObjectStore } from '../../backends/object-store/store.ts'

const key = '_blasty/written.json'

/** Says that rows are about to be written. Repeating it changes nothing. */
export async function markWritten(objects: ObjectStore, bucket: string): Promise<void> {
  await objects.put(bucket, key, Buffer.from(JSON.stringify({ since: new Date().toISOString() })), { ifAbsent: true })
}

export async function wasWritten(objects: ObjectStore, bucket: string): Promise<boolean> {
  return (await objects.head(bucket, key)) !== undefined
}
