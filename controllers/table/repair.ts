/** The repair of a Table whose log or lake is lost, as an administrator asks for it. The operator never does it by itself. */

import { setTimeout as sleep } from 'node:timers/promises'
import { isBlastyError } from '../../base/errors.ts'
import type { Table } from '../../crds/types.gen.ts'
import { type DeltaLake, lakeIn } from '../../engine/lake/delta/lake.ts'
import { readState } from '../../engine/lake/delta/state.ts'
import { epochsIn } from '../../engine/lake/files.ts'
import { changeLog } from '../../engine/log/log.ts'
import { markWritten } from '../../engine/log/written.ts'
import { beginEpoch, type NewEpoch } from '../../engine/repair/new-epoch.ts'
import { writeSchema } from '../../engine/schema/documents.ts'
import type { TableSchema } from '../../engine/schema/schema.ts'
import type { Backends } from '../backends.ts'
import { removeStream } from '../streams.ts'
import { createBucket } from './bucket.ts'
import { lostBucket, lostLake, lostLog } from './lost.ts'
import { lookAtTable, observedOf, type TableObserved, type TableTarget } from './observe.ts'
import { streamOfEpoch } from './plan.ts'

export type RepairSubject = { readonly resource: Table; readonly target: TableTarget; readonly backends: Backends }

/** Why a repair is not made; nothing was changed. */
export class RepairRefused extends Error {
  override readonly name = 'RepairRefused'
}

export type LogLoss = {
  /** As the operator tells it. */
  readonly message: string
  /** The greatest revision that anybody is known to have seen; 0 when nobody is left to ask. */
  readonly known: number
  /** How far the lake holds the log. */
  readonly archived: number
  /** What is left of the log: its revisions, and the epoch it is of. */
  readonly remains: { readonly epoch: number; readonly first: number; readonly last: number } | undefined
}

/** Looks at a Table as the operator does. Throws RepairRefused when its log is not lost, or what is there is another's. */
export async function findLogLoss(subject: RepairSubject): Promise<LogLoss> {
  const { resource, target, backends } = subject
  const observed = await observeNow(subject)
  const lost = lostLog(resource, observed)
  const { bucket, stream, known } = observed
  if (lost === undefined) throw new RepairRefused(`the log is not lost: ${stateOf(observed)}`)
  const gone = lostBucket(resource, observed)
  if (gone !== undefined)
    throw new RepairRefused(`${gone.message}. Without its bucket nothing of the Table is left to go on with`)
  for (const part of [bucket, stream]) {
    if (part?.ownership.type === 'foreign') throw new RepairRefused(part.ownership.message)
  }
  const { objects } = backends
  const state = await readState(lakeIn(objects, target.bucket))
  const epochs = state === undefined ? [] : epochsIn(state, target.stream)
  const archived = Math.max(0, ...epochs.map(({ revision }) => revision))
  return {
    message: lost.message,
    known: Math.max(known, archived, stream?.seen.last ?? 0),
    archived,
    remains: stream && { epoch: stream.seen.epoch, first: stream.seen.first, last: stream.seen.last },
  }
}

export type LogRepair = {
  readonly loss: LogLoss
  /** How long facades are waited for that still serve the Table, in milliseconds. */
  readonly patienceMillis?: number
}

/**
 * Begins a new epoch of the log. What remains of the lost one behind the lake is given up: archive it before, if it can be.
 * @throws RepairRefused while a facade still serves the Table; what `beginEpoch` throws
 */
export async function repairLog(
  subject: RepairSubject,
  { loss, patienceMillis = 60_000 }: LogRepair,
): Promise<NewEpoch> {
  const { resource, target, backends } = subject
  const { namespace, name, uid } = resource.metadata
  const { objects, streams } = backends
  await untilUnserved(uid, backends, patienceMillis)
  const schema = schemaInForce(await observeNow(subject))
  const lake = lakeIn(objects, target.bucket)
  const state = await readState(lake)
  const newest = state === undefined ? undefined : epochsIn(state, target.stream).at(-1)?.epoch
  const epoch = resource.status?.external?.epoch ?? Math.max(1, newest ?? 0, loss.remains?.epoch ?? 0)
  const log = changeLog({ table: `${namespace}/${name}`, tableUid: uid, stream: target.stream, epoch }, streams)
  if (loss.remains !== undefined) await removeStream(streams, target.stream)
  return beginEpoch({
    log,
    lake,
    schema,
    historySeconds: resource.spec.lake.historySeconds,
    known: loss.known,
    config: number => streamOfEpoch(resource, target, number),
  })
}

export type LakeLoss = { readonly message: string; readonly bucketGone: boolean }

/**
 * Looks whether the lake is lost. Throws RepairRefused when it is not, and while an archiver works on it that does not know: it
 * would go on with what it remembers.
 */
export async function findLakeLoss(subject: RepairSubject): Promise<LakeLoss> {
  const { resource, target, backends } = subject
  const observed = await observeNow(subject)
  const log = lostLog(resource, observed)
  if (log !== undefined) throw new RepairRefused(`the log is lost too: ${log.message}`)
  const bucket = lostBucket(resource, observed)
  if (bucket !== undefined) return { message: bucket.message, bucketGone: true }
  const lake = lostLake(observed)
  if (lake !== undefined) return { message: lake.message, bucketGone: false }
  const problem = await unreadable(lakeIn(backends.objects, target.bucket))
  if (problem === undefined) throw new RepairRefused('no archiver says that the lake is lost, and it can be read')
  const report = observed.lake
  if (report !== undefined && report.error === undefined && report.version >= 0)
    throw new RepairRefused(`${problem}, but an archiver goes on with what it remembers; restart the workers`)
  return { message: problem, bucketGone: false }
}

async function unreadable(lake: DeltaLake): Promise<string | undefined> {
  try {
    await readState(lake)
    return undefined
  } catch (error) {
    if (isBlastyError(error, 'LAKE_CORRUPT')) return error.message
    throw error
  }
}

/** Makes the bucket anew with its mark and the schema in force: what else was in it is gone. */
export async function remakeBucket({ resource, target, backends }: RepairSubject): Promise<void> {
  const { objects } = backends
  const schema = resource.status?.schema
  if (schema === undefined) throw new RepairRefused('the status of the Table names no schema')
  await objects.claims?.forget(target.bucket)
  await createBucket(objects, target.bucket, target.mark)
  await writeSchema(objects, target.bucket, schema)
  await markWritten(objects, target.bucket)
}

/** Facades have cut themselves off once the operator has told them of the loss; one that has not might still write as before. */
async function untilUnserved(uid: string, { reported }: Backends, patienceMillis: number): Promise<void> {
  for (const until = performance.now() + patienceMillis; ; ) {
    const { facades, behind } = reported.served(uid, 1)
    const serving = facades - behind.length
    if (serving <= 0) return
    if (performance.now() > until) {
      const problem = 'the operator must have told them of the loss; is it running?'
      throw new RepairRefused(`${serving} facades still serve the Table: ${problem}`)
    }
    await sleep(500)
  }
}

async function observeNow({ resource, target, backends }: RepairSubject): Promise<TableObserved> {
  const look = await lookAtTable(resource, target, backends, {})
  return observedOf(resource, target, look, backends, current => current)
}

function schemaInForce({ schema, target }: TableObserved): TableSchema {
  if (schema === undefined) throw new RepairRefused(`bucket ${target.bucket} holds no schema of the Table`)
  return schema
}

function stateOf({ stream, target }: TableObserved): string {
  if (stream === undefined) return `stream ${target.stream} was never written`
  const { epoch, first, last } = stream.seen
  return `stream ${target.stream} is of epoch ${epoch} and holds revisions ${first} to ${last}`
}
