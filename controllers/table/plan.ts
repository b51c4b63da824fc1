/** From what is observed to what must be done: pure. */

import type { Table } from '../../crds/types.gen.ts'
import { logStreamConfig } from '../../engine/log/log.ts'
import { planSchema } from '../../engine/schema/evolve.ts'
import type { TableSchema } from '../../engine/schema/schema.ts'
import { type Blocked, type Plan, refused, stalled } from '../../operator/mod.ts'
import { markMetadata } from '../marks.ts'
import { differences, type StreamSeen, type WantedStream } from '../streams.ts'
import { lostBucket, lostLake, lostLog } from './lost.ts'
import type { TableObserved, TableTarget } from './observe.ts'
import { type TrinoAction, trinoActions } from './trino.ts'

export type TableAction =
  | TrinoAction
  | { readonly type: 'CreateBucket' }
  /** Marks a bucket of our name that has no mark, if it is empty. */
  | { readonly type: 'ClaimBucket' }
  /** Takes over the bucket of an earlier Table. */
  | { readonly type: 'AdoptBucket'; readonly from: string }
  | { readonly type: 'CreateStream'; readonly config: WantedStream }
  | {
      readonly type: 'AdoptStream'
      readonly from: string
      readonly seen: StreamSeen['config']
      readonly config: WantedStream
    }
  | {
      readonly type: 'UpdateStream'
      readonly fields: readonly string[]
      readonly seen: StreamSeen['config']
      readonly config: WantedStream
    }
  | { readonly type: 'WriteSchema'; readonly schema: TableSchema }
  /** Says that the log of a new epoch holds nothing up to a revision: conditional writers must look rows up until they are written anew. */
  | { readonly type: 'DeclareFloor'; readonly epoch: number; readonly revision: number }
  /** One record for each number after `after`, up to `to`: so their count tells whether a log holds anything else. */
  | { readonly type: 'AnnounceSchemas'; readonly epoch: number; readonly after: number; readonly to: number }

export function planTable(table: Table, observed: TableObserved): Plan<TableAction> {
  const blocked = foreign(observed) ?? lostLog(table, observed) ?? lostBucket(table, observed) ?? lostLake(observed)
  if (blocked !== undefined) return blocked
  const inForce = observed.schema ?? table.status?.schema
  const evolved = planSchema(table.spec, inForce)
  if (evolved.kind === 'refused') return refused('SchemaChangeRefused', evolved.problems.join('; '))
  return [
    ...bucketActions(observed),
    ...streamActions(table, observed),
    ...floorActions(table, observed),
    ...schemaActions(table, observed, evolved.schema),
    ...trinoActions(table, observed),
  ]
}

/** What is another's stays as it is, and so does everything else of this Table. */
function foreign({ bucket, stream }: TableObserved): Blocked | undefined {
  // A bucket without a mark may be one that a crash left between its making and its marking: only its being empty tells.
  if (bucket?.ownership.type === 'foreign' && bucket.seen.marked !== 'no') {
    return stalled(bucket.ownership.reason, bucket.ownership.message, { condition: 'BucketReady' })
  }
  if (stream?.ownership.type === 'foreign') {
    return stalled(stream.ownership.reason, stream.ownership.message, { condition: 'LogReady' })
  }
  return undefined
}

function bucketActions({ bucket }: TableObserved): TableAction[] {
  if (bucket === undefined) return [{ type: 'CreateBucket' }]
  if (bucket.seen.marked === 'no') return [{ type: 'ClaimBucket' }]
  return bucket.ownership.type === 'adoptable' ? [{ type: 'AdoptBucket', from: bucket.ownership.from.uid }] : []
}

function streamActions(table: Table, observed: TableObserved): TableAction[] {
  const { stream } = observed
  const config = wantedStream(table, observed)
  if (stream === undefined) return [{ type: 'CreateStream', config }]
  const seen = stream.seen.config
  if (stream.ownership.type === 'adoptable')
    return [{ type: 'AdoptStream', from: stream.ownership.from.uid, seen, config }]
  const fields = differences(seen, config)
  return fields.length > 0 && mayCorrect(table, observed) ? [{ type: 'UpdateStream', fields, seen, config }] : []
}

/** A log that a repair began anew, or had go on in another epoch, has rows that no subject of its epoch tells of. */
function floorActions(table: Table, { stream, floor }: TableObserved): TableAction[] {
  if (stream === undefined || stream.seen.epoch <= (table.status?.external?.epoch ?? 1)) return []
  const { epoch, first } = stream.seen
  return floor < first - 1 ? [{ type: 'DeclareFloor', epoch, revision: first - 1 }] : []
}

function schemaActions(table: Table, observed: TableObserved, next: TableSchema): TableAction[] {
  const actions: TableAction[] = []
  const lost = observed.schema === undefined ? table.status?.schema : undefined
  if (lost !== undefined && lost.number !== next.number) actions.push({ type: 'WriteSchema', schema: lost })
  if (observed.schema?.number !== next.number) actions.push({ type: 'WriteSchema', schema: next })
  if (observed.announced < next.number) {
    actions.push({
      type: 'AnnounceSchemas',
      epoch: streamEpoch(table, observed.stream),
      after: observed.announced,
      to: next.number,
    })
  }
  return actions
}

/** The stream as it must be. Its epoch is the one it has: only a repair begins another. */
export function wantedStream(table: Table, { target, stream }: TableObserved): WantedStream {
  return streamOfEpoch(table, target, streamEpoch(table, stream))
}

/** The epoch that a Table's stream is of, or will be when it is made. */
export function streamEpoch(table: Table, stream: TableObserved['stream']): number {
  return stream?.seen.epoch || table.status?.external?.epoch || 1
}

/** The stream of an epoch, as spec and class want it. */
export function streamOfEpoch(table: Table, target: TableTarget, epoch: number): WantedStream {
  return logStreamConfig({
    stream: target.stream,
    tableUid: table.metadata.uid,
    maxBytes: target.settings.maxBytes,
    replicas: target.settings.replicas,
    epoch,
    metadata: markMetadata(target.mark),
  })
}

/**
 * Whether a difference is to be set right. Under `Observe` only what the spec or the class asks anew is: then the stream
 * is still as it was last set.
 */
export function mayCorrect(table: Table, { target, stream }: TableObserved): boolean {
  if (table.spec.driftPolicy === 'Correct' || stream === undefined) return true
  const set = table.status?.effective?.log
  if (set === undefined) return true
  const { max_bytes: maxBytes, num_replicas: replicas } = stream.seen.config
  const asked = set.maxBytes !== target.settings.maxBytes || set.replicas !== target.settings.replicas
  return asked && set.maxBytes === maxBytes && set.replicas === replicas
}
