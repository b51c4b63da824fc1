/** Asks the backends of a class whether they answer, what they are and what they can do. */

import { randomUUID } from 'node:crypto'
import type { ObjectStore } from '../../backends/object-store/store.ts'
import { reason, type Streams } from '../../backends/streams/connect.ts'
import { BlastyError } from '../../base/errors.ts'

/** An answer, or why there is none. */
export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string }

export async function answerOf<T>(asked: Promise<T>): Promise<Answer<T>> {
  try {
    return { ok: true, value: await asked }
  } catch (error) {
    return { ok: false, problem: reason(error) }
  }
}

/** The bucket for trying things; tables' buckets have two hyphens in a row, this has none. */
export const probeBucket = (installation: string): string => `${installation}-blasty-probe`

const probePrefix = '_blasty/probe/'
const ownerKey = '_blasty/owner.json'

/** Whether the store takes our credentials; its product name as its HTTP server gives it. */
export async function probeObjectStore(objects: ObjectStore, endpoint: string, installation: string): Promise<string> {
  const [, response] = await Promise.all([
    objects.bucketExists(probeBucket(installation)),
    fetch(endpoint, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(5_000) }),
  ])
  return response.headers.get('server')?.slice(0, 64) ?? 'S3'
}

/** The server's version; throws when JetStream does not answer. */
export async function probeStreams({ connection, admin }: Streams): Promise<string> {
  try {
    await admin.getAccountInfo()
  } catch (error) {
    throw new BlastyError(
      'BACKEND_UNAVAILABLE',
      { backend: 'streams server', problem: reason(error) },
      { cause: error },
    )
  }
  return connection.info?.version ?? 'unknown'
}

/** Atomic batches came with NATS 2.12 (ADR-50). */
export function hasAtomicBatches(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 2 || (major === 2 && minor >= 12)
}

/** Writers that race for an object in a probe. */
const racers = 8

/**
 * Whether of two puts with `If-None-Match: *` the second is refused, and of several at once all but one. Some stores ignore the header
 * and overwrite; others look first and put then.
 */
export async function probeConditionalPut(objects: ObjectStore, installation: string): Promise<boolean> {
  const bucket = probeBucket(installation)
  await objects.makeBucket(bucket)
  const owner = { installation, kind: 'BackendClass', purpose: 'finding out what the object store can do' }
  await objects.put(bucket, ownerKey, Buffer.from(JSON.stringify(owner)), { ifAbsent: true })
  const key = `${probePrefix}${randomUUID()}.json`
  const first = await objects.put(bucket, key, Buffer.from('1'), { ifAbsent: true })
  const second = await objects.put(bucket, key, Buffer.from('2'), { ifAbsent: true })
  const kept = (await objects.get(bucket, key))?.toString() === '1'
  await objects.remove(bucket, [key])
  return first && !second && kept && (await probeRace(objects, bucket))
}

async function probeRace(objects: ObjectStore, bucket: string): Promise<boolean> {
  const key = `${probePrefix}${randomUUID()}.json`
  const put = (racer: number) => objects.put(bucket, key, Buffer.from(String(racer)), { ifAbsent: true })
  const results = await Promise.allSettled(Array.from({ length: racers }, (_, racer) => put(racer)))
  const winners = results.flatMap((one, racer) => (one.status === 'fulfilled' && one.value ? [racer] : []))
  const kept = (await objects.get(bucket, key))?.toString()
  await objects.remove(bucket, [key])
  // Some are told to ask again (409): they did not win.
  return winners.length === 1 && kept === String(winners[0])
}
