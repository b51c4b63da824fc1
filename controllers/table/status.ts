/** What is observed of a Table, as conditions and fields: pure. */

import type { Table, TableStatus } from '../../crds/types.gen.ts'
import type { TableSchema } from '../../engine/schema/schema.ts'
import { tableNames } from '../../engine/schema/service-names.ts'
import type { ReportedCondition, StatusReport } from '../../operator/mod.ts'
import { differences } from '../streams.ts'
import { engineOf } from './engine.ts'
import { erasuresCondition, erasuresOf } from './erasures.ts'
import { expiryCondition } from './expiry.ts'
import { isWritten, lostBucket, lostLake, lostLog } from './lost.ts'
import type { TableObserved } from './observe.ts'
import { wantedStream } from './plan.ts'
import { locationOf, trinoAgainSeconds, trinoCondition, trinoRecord } from './trino.ts'

/** Seconds after which the facades are looked at again, should their news be missed. */
const servedAgainSeconds = 30

export function tableStatus(table: Table, observed: TableObserved): StatusReport {
  const served = servedCondition(observed)
  const trino = trinoCondition(table, observed)
  const expiry = expiryCondition(table, observed)
  const erasures = erasuresCondition(observed)
  const again = [
    ...(served.status === 'True' ? [] : [servedAgainSeconds]),
    ...(observed.trino?.kind === 'failed' ? [trinoAgainSeconds] : []),
  ]
  return {
    conditions: [
      bucketCondition(table, observed),
      logCondition(table, observed),
      served,
      roomCondition(observed),
      lakeCondition(table, observed),
      ...(expiry === undefined ? [] : [expiry]),
      ...(trino === undefined ? [] : [trino]),
      ...(erasures === undefined ? [] : [erasures]),
    ],
    fields: fieldsOf(table, observed),
    ...(again.length === 0 ? {} : { afterSeconds: Math.min(...again) }),
  }
}

function bucketCondition(table: Table, observed: TableObserved): ReportedCondition {
  const { bucket, schema, target } = observed
  const type = 'BucketReady'
  const lost = lostBucket(table, observed)
  if (lost !== undefined) return { type, status: 'False', reason: lost.reason, message: lost.message }
  if (bucket?.ownership.type === 'foreign' && bucket.seen.marked !== 'no') {
    return { type, status: 'False', reason: bucket.ownership.reason, message: bucket.ownership.message }
  }
  if (bucket?.ownership.type !== 'ours' || schema === undefined) {
    return { type, status: 'False', reason: 'Creating', message: `bucket ${target.bucket} is not made yet` }
  }
  return { type, status: 'True', reason: 'Created', message: `bucket ${target.bucket} holds schema ${schema.number}` }
}

function logCondition(table: Table, observed: TableObserved): ReportedCondition {
  const { stream, target } = observed
  const type = 'LogReady'
  const lost = lostLog(table, observed)
  if (lost !== undefined) return { type, status: 'False', reason: lost.reason, message: lost.message }
  if (stream?.ownership.type === 'foreign') {
    return { type, status: 'False', reason: stream.ownership.reason, message: stream.ownership.message }
  }
  if (stream?.ownership.type !== 'ours' || !isAnnounced(observed)) {
    return { type, status: 'False', reason: 'Creating', message: `stream ${target.stream} is not made yet` }
  }
  const drifted = differences(stream.seen.config, wantedStream(table, observed))
  if (drifted.length > 0) {
    const message = `${drifted.join(', ')} of stream ${target.stream} are not as they were set`
    // Under Observe this is news and no fault: whoever changed it wanted so.
    const status = table.spec.driftPolicy === 'Observe' ? 'True' : 'False'
    return { type, status, reason: 'Drifted', message }
  }
  return { type, status: 'True', reason: 'Created', message: `stream ${target.stream} takes writes` }
}

/** Whether the log takes more. Rows are read without that too. */
function roomCondition({ full, target }: TableObserved): ReportedCondition {
  const condition = { type: 'LogHasRoom', gates: false } as const
  if (!full) return { ...condition, status: 'True', reason: 'HasRoom', message: 'the log takes writes' }
  const message = `the log is at its ${target.settings.maxBytes} bytes and refuses writes until what the lake holds is purged; see LakeReady, or raise log.maxBytes`
  return { ...condition, status: 'False', reason: 'LogFull', message }
}

/** Whether the log is being archived. Rows are written and read without it too, so that it does not make a Table unready. */
function lakeCondition(table: Table, observed: TableObserved): ReportedCondition {
  const { lake } = observed
  const condition = { type: 'LakeReady', gates: false } as const
  const lost = lostLake(observed)
  if (lost !== undefined) return { ...condition, status: 'False', reason: lost.reason, message: lost.message }
  if (lake === undefined && !isWritten(table, observed.known)) {
    return { ...condition, status: 'True', reason: 'Empty', message: 'the lake begins with the first row' }
  }
  if (lake === undefined) {
    return { ...condition, status: 'False', reason: 'NoArchiver', message: 'no worker archives the log yet' }
  }
  if (lake.error !== undefined) return { ...condition, status: 'False', reason: 'Failing', message: lake.error }
  if (lake.version < 0) return { ...condition, status: 'False', reason: 'Opening', message: 'the lake is being opened' }
  return { ...condition, status: 'True', reason: 'Archiving', message: 'the lake follows the log' }
}

function servedCondition({ served, schema }: TableObserved): ReportedCondition {
  const type = 'Served'
  if (served.facades === 0) return { type, status: 'False', reason: 'NoFacade', message: 'no facade is running' }
  if (schema === undefined) {
    return { type, status: 'False', reason: 'NoSchema', message: 'no schema is in force yet' }
  }
  if (served.behind.length > 0) {
    const message = `schema ${schema.number} is not loaded yet by ${served.behind.slice(0, 8).join(', ')}`
    return { type, status: 'False', reason: 'FacadeBehind', message }
  }
  return { type, status: 'True', reason: 'Served', message: `every facade serves schema ${schema.number}` }
}

/** True when the log holds the announcement of the newest schema. */
function isAnnounced({ schema, announced }: TableObserved): boolean {
  return schema !== undefined && announced >= schema.number
}

function fieldsOf(table: Table, observed: TableObserved): Omit<TableStatus, 'observedGeneration' | 'conditions'> {
  const { target, stream, bucket, schema, progress } = observed
  const before = table.status
  const ours = bucket?.ownership.type === 'ours' && stream?.ownership.type === 'ours'
  const resolved = { backendClassName: target.className }
  // Nobody may act on what is not made, marked and announced; what was stays, for it tells what may be lost.
  if (!ours || schema === undefined || !isAnnounced(observed)) {
    const { external, schema: inForce, service, effective, query, progress: known } = before ?? {}
    return {
      ...resolved,
      ...(inForce && { schema: inForce }),
      ...(external && { external }),
      ...(service && { service }),
      ...(effective && { effective }),
      ...(query && { query }),
      ...(known && { progress: known }),
      ...erasuresOf(table, observed),
    }
  }
  const { namespace, name } = table.metadata
  const asSet = differences(stream.seen.config, wantedStream(table, observed)).length === 0
  return {
    ...resolved,
    schema: statusSchema(schema),
    external: {
      bucket: target.bucket,
      stream: target.stream,
      epoch: stream.seen.epoch,
      ...trinoRecord(table, observed),
    },
    service: tableNames(namespace, name).service,
    effective: asSet ? { log: { ...target.settings } } : (before?.effective ?? { log: { ...target.settings } }),
    query: { engine: engineOf(table, observed.large ?? false, observed.trino, locationOf(target.bucket)) },
    progress: { ...progress },
    ...erasuresOf(table, observed),
  }
}

/** The schema as a value of its own: what is observed is not to be changed through a status. */
function statusSchema(schema: TableSchema): NonNullable<TableStatus['schema']> {
  return {
    number: schema.number,
    columns: schema.columns.map(({ items, ...column }) =>
      items === undefined ? column : { ...column, items: itemsOf(items) },
    ),
    retired: schema.retired.map(column => ({ ...column })),
    primaryKey: [...schema.primaryKey],
    ...(schema.eventTime && { eventTime: { ...schema.eventTime } }),
  }
}

type Items = NonNullable<NonNullable<TableStatus['schema']>['columns'][number]['items']>
type ItemType = Items['type']

const itemTypes: ReadonlySet<string> = new Set<ItemType>([
  'String',
  'Int32',
  'Int64',
  'Double',
  'Decimal',
  'Boolean',
  'Date',
  'Timestamp',
  'UUID',
  'Bytes',
])

function itemsOf(items: NonNullable<TableSchema['columns'][number]['items']>): Items {
  const { type, ...rest } = items
  if (!isItemType(type)) throw new TypeError(`an Array of ${type} cannot be`)
  return { type, ...rest }
}

function isItemType(type: string): type is ItemType {
  return itemTypes.has(type)
}
