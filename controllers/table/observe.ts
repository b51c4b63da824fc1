/** How a Table's things are outside: reads, never writes. */

import { type ObjectStore, s3Code } from '../../backends/object-store/store.ts'
import { isBlastyError } from '../../base/errors.ts'
import type { BackendClass, Table } from '../../crds/types.gen.ts'
import { announcedSchema, declaredFloor } from '../../engine/log/control.ts'
import { changeLog } from '../../engine/log/log.ts'
import { wasWritten } from '../../engine/log/written.ts'
import type { ErasuresReport, ExpiryReport, LakeReport } from '../../engine/membership/reports.ts'
import { newestSchema, readSchema } from '../../engine/schema/documents.ts'
import { planSchema } from '../../engine/schema/evolve.ts'
import type { TableSchema } from '../../engine/schema/schema.ts'
import type { Backends } from '../backends.ts'
import { type LogSettings, logSettings } from '../classes.ts'
import { type Adoption, adoptAnnotation, type Found, judge, type Mark, type Ownership } from '../marks.ts'
import { externalName } from '../names.ts'
import { lookAtStream, type StreamSeen } from '../streams.ts'
import { fromStore, lookAtBucket } from './bucket.ts'
import { expiryProgress } from './expiry.ts'
import type { Hints } from './memory.ts'
import { streamEpoch } from './plan.ts'
import { isTooLarge, lookAtTrino, type TrinoSeen } from './trino.ts'

/** What a Table's things are called and how they must be, as class and spec decide. */
export type TableTarget = {
  readonly className: string
  readonly bucket: string
  readonly stream: string
  readonly mark: Mark
  readonly adoption: Adoption
  readonly settings: LogSettings
}

export type Part<T> = { readonly ownership: Ownership; readonly seen: T }

export type TableProgress = NonNullable<NonNullable<Table['status']>['progress']>

export type TableObserved = {
  readonly target: TableTarget
  readonly bucket: Part<Found> | undefined
  readonly stream: Part<StreamSeen> | undefined
  /** The schema in force, which is the newest in the bucket. */
  readonly schema: TableSchema | undefined
  /** Number of the last schema that the log holds. */
  readonly announced: number
  /** The last revision that anybody has seen. */
  readonly known: number
  /** The revision up to which the log may have been purged, because the lake holds it. */
  readonly floor: number
  readonly progress: TableProgress
  /** The log has no room left. */
  readonly full: boolean
  /** What the archiver says; undefined when there is none. */
  readonly lake: LakeReport | undefined
  /** What who removes rows that are too old says; undefined when nobody does. */
  readonly expiry?: ExpiryReport | undefined
  /** Too large for the facades; only where the query engine is Auto. */
  readonly large?: boolean
  /** What a worker says of erasures; undefined when there is nothing to say. */
  readonly erasures?: ErasuresReport | undefined
  /** What Trino knows; undefined for a Table that has nothing to do with it. */
  readonly trino?: TrinoSeen | undefined
  readonly served: { readonly facades: number; readonly behind: readonly string[] }
}

export function tableTarget(table: Table, found: BackendClass, namespaceUid: string): TableTarget {
  const { namespace, name, uid, annotations } = table.metadata
  const identity = { installation: found.spec.installationID, kind: 'Table', namespace, name } as const
  const named = externalName(identity)
  const namespaceUids = (found.spec.adoptions ?? [])
    .filter(entry => entry.namespace === namespace)
    .map(entry => entry.namespaceUID)
  return {
    className: found.metadata.name,
    bucket: table.status?.external?.bucket ?? named,
    stream: table.status?.external?.stream ?? named,
    mark: { ...identity, namespaceUid, uid },
    adoption: { asked: annotations?.[adoptAnnotation] === 'true', namespaceUids },
    settings: logSettings(table, found),
  }
}

/** Bucket and stream, and whose they are. */
export async function observeParts(
  target: TableTarget,
  { objects, streams }: Backends,
): Promise<Pick<TableObserved, 'bucket' | 'stream'>> {
  const [found, stream] = await Promise.all([
    lookAtBucket(objects, target.bucket),
    lookAtStream(streams, target.stream),
  ])
  const whose = (what: string, mark: Found) => judge(what, mark, target.mark, target.adoption)
  return {
    bucket: found && { seen: found, ownership: whose(`bucket ${target.bucket}`, found) },
    stream: stream && { seen: stream, ownership: whose(`stream ${target.stream}`, stream.found) },
  }
}

/** What one look outside tells. */
export type TableLook = Pick<TableObserved, 'bucket' | 'stream' | 'schema' | 'announced' | 'known' | 'floor' | 'trino'>

export async function lookAtTable(
  table: Table,
  target: TableTarget,
  backends: Backends,
  hints: Hints,
): Promise<TableLook> {
  const { uid, namespace, name } = table.metadata
  // Before the log is asked: what is reported later may well be newer than its answer.
  const known = Math.max(Number(table.status?.progress?.revision ?? 0), backends.reported.tableRevision(uid))
  const parts = await observeParts(target, backends)
  const schema =
    parts.bucket === undefined ? undefined : await schemaInBucket(table, target.bucket, backends.objects, hints)
  const last = parts.stream?.seen.last ?? 0
  const epoch = streamEpoch(table, parts.stream)
  const log = changeLog(
    { table: `${namespace}/${name}`, tableUid: uid, stream: target.stream, epoch },
    backends.streams,
  )
  // Each announcement is a record, and status names a schema only once it is announced, in the epoch that it names.
  const told = Math.max(table.status?.schema?.number ?? 0, hints.announced ?? 0)
  const repaired = epoch > (table.status?.external?.epoch ?? epoch)
  const sure = !repaired && told > 0 && told === schema?.number && last >= told
  const announced = sure ? told : last === 0 ? 0 : await announcedSchema(log)
  // A log that holds less than the announcements of schemas is gone: whether rows went with it, the bucket tells.
  const schemas = table.status?.schema?.number ?? 0
  const gone = parts.stream === undefined || last < schemas
  const written = gone && parts.bucket !== undefined && (await wasWritten(backends.objects, target.bucket))
  const floor = (parts.stream?.seen.first ?? 0) > 1 ? await declaredFloor(log) : 0
  const trino = await lookAtTrino(table, backends)
  return { ...parts, schema, announced, floor, trino, known: written ? Math.max(known, schemas + 1) : known }
}

/** The look, with what live processes say at this moment. */
export function observedOf(
  table: Table,
  target: TableTarget,
  look: TableLook,
  { reported }: Backends,
  fold: (current: TableProgress, urgent: boolean) => TableProgress,
): TableObserved {
  const { uid } = table.metadata
  const shown = Number(table.status?.progress?.revision ?? 0)
  const last = look.stream?.seen.last ?? 0
  const repaired = (look.stream?.seen.epoch ?? 0) > (table.status?.external?.epoch ?? Number.POSITIVE_INFINITY)
  const current = repaired ? last : Math.max(look.known, last, reported.tableRevision(uid))
  const schemas = table.status?.schema?.number ?? 0
  const lake = reported.lake(uid)
  const expiry = reported.expiry(uid)
  return {
    target,
    ...look,
    lake,
    expiry,
    large: isTooLarge(table, reported),
    erasures: reported.erasures(uid),
    full: reported.tableFull(uid),
    // The first row decides whether a lost log may be remade, so it is shown at once.
    progress: fold(
      { revision: String(current), ...lakeProgress(table, lake), ...expiryProgress(table, expiry) },
      repaired || (current > schemas && shown <= schemas),
    ),
    served: reported.served(uid, look.schema?.number ?? 0),
  }
}

/** How far the lake is: as an archiver says or, without one, as it was. */
function lakeProgress(table: Table, report: LakeReport | undefined): Pick<TableProgress, 'lake'> {
  const before = table.status?.progress?.lake
  if (report === undefined || report.version < 0) return before === undefined ? {} : { lake: { ...before } }
  const { revision, version, rows, files, bytes } = report
  return { lake: { revision: String(revision), version, rows, files, bytes } }
}

/** The newest schema in the bucket. Where status or a hint names one that the spec fits, one look at that is enough. */
async function schemaInBucket(
  table: Table,
  bucket: string,
  objects: ObjectStore,
  hints: Hints,
): Promise<TableSchema | undefined> {
  const newest = Math.max(table.status?.schema?.number ?? 0, hints.written ?? 0)
  try {
    if (newest > 0) {
      const schema = await readSchema(objects, bucket, newest)
      if (planSchema(table.spec, schema).kind === 'same') return schema
    }
    return await fromStore(() => newestSchema(objects, bucket))
  } catch (error) {
    // Neither the bucket nor the document: both are for the plan to judge.
    if (s3Code(error) === 'NoSuchBucket') return undefined
    if (isBlastyError(error, 'BACKEND_REFUSED') && error.cause === undefined) return undefined
    throw error
  }
}
